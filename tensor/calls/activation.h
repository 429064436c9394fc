// What is done to each element by itself: biases and activations, dropout, copies.
#pragma once

#include <cstdint>

#include "tensor/activation.h"
#include "tensor/calls/kernel_work.h"
#include "tensor/random.h"
#include "tensor/rows.h"

namespace temper {

/// Operations per element, for the function alone.
double activation_operations(Activation activation);

namespace calls {

/// z [rows, columns] += bias [1, columns] (data may be null); y = activation(z). y may be z; then the activation's
/// input is not kept.
struct BiasActivationForward {
  static constexpr KernelId kKernel{"bias_activation_forward", KernelClass::pass};
  Rows z;
  ConstRows bias = {};
  Activation activation = Activation::none;
  Rows y;
  [[nodiscard]] KernelWork work() const;
};

/// dz = dy * activation'(z); d_bias (may be null) (+)= sum of dz over rows. y is what forward gave. Of z and y, one is
/// read (slope_reads_input(), slope_reads_output()), and the other may be empty. dz may be dy.
struct BiasActivationBackward {
  static constexpr KernelId kKernel{"bias_activation_backward", KernelClass::pass};
  ConstRows dy;
  ConstRows z = {};
  ConstRows y = {};
  Activation activation = Activation::none;
  Rows dz;
  float* d_bias = nullptr;
  bool accumulate_bias = false;
  [[nodiscard]] KernelWork work() const;
};

/// y = mask * x * scale; the same call on a gradient is its backward. y may be x.
struct ApplyDropout {
  static constexpr KernelId kKernel{"dropout", KernelClass::pass};
  ConstRows x;
  TokenKeys names;
  Dropout dropout;
  Rows y;
  [[nodiscard]] KernelWork work() const;
};

/// y (+)= x, of one shape but perhaps of two types; y may be x. On CPUs x may be f16 or quantised.
struct Copy {
  static constexpr KernelId kKernel{"copy", KernelClass::pass};
  ConstRows x;
  Rows y;
  bool accumulate = false;
  [[nodiscard]] KernelWork work() const;
};

/// Zero bytes: `rows` times `bytes` of them, `stride` bytes apart.
struct Clear {
  static constexpr KernelId kKernel{"clear", KernelClass::pass};
  void* data;
  std::int64_t bytes;
  std::int64_t rows = 1;
  std::int64_t stride = 0;
  [[nodiscard]] KernelWork work() const;
};

}  // namespace calls
}  // namespace temper

/// EACH(Name) for each call of this file (tensor/kernels.h).
#define TEMPER_ACTIVATION_CALLS(EACH) \
  EACH(BiasActivationForward) EACH(BiasActivationBackward) EACH(ApplyDropout) EACH(Copy) EACH(Clear)
