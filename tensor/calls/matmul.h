// Matrix products, and the linear layers that are made of them.
#pragma once

#include "tensor/activation.h"
#include "tensor/calls/kernel_work.h"
#include "tensor/rows.h"

namespace temper {

class Kernels;

namespace calls {

/// c [m, n] (+)= op(a) [m, k] op(b) [k, n], where op transposes if asked. k may be 0: then c is zero (or unchanged). a
/// and b have one type, c has theirs or f32; or a, not transposed, and c are f32 and b is bf16, on CPUs also f16 or
/// quantised: then c has the bits that it has with the same b in f32.
struct Matmul {
  static constexpr KernelId kKernel{"matmul", KernelClass::product};
  ConstRows a;
  bool transpose_a = false;
  ConstRows b;
  bool transpose_b = false;
  Rows c;
  bool accumulate = false;
  /// 2 m n k operations.
  [[nodiscard]] KernelWork work() const;
};

/// z = x weight^T + bias; y = activation(z). x [rows, in], weight [out, in], bias [1, out] (data may be null). z and y
/// as in BiasActivationForward. The weight may be narrower where the others are f32, as in Matmul.
struct LinearForward {
  static constexpr KernelId kKernel{"linear_forward", KernelClass::product};
  ConstRows x;
  ConstRows weight;
  ConstRows bias = {};
  Activation activation = Activation::none;
  /// Few rows, in any number, such as the next tokens of several texts: on CPUs the weights are read once, where they
  /// lie, and a row has the same bits whatever their number, though others than where many rows are multiplied.
  bool row_by_row = false;
  Rows z;
  Rows y;
  /// The whole of it, for a device that does not make it of other kernels.
  [[nodiscard]] KernelWork work() const;
  /// A product and a pass.
  void run_parts(Kernels& kernels) const;
};

/// d_weight [out, in] (+)= dz^T x and d_bias [out] (may be null) (+)= sum of dz over rows; both f32.
struct LinearWeightGradient {
  static constexpr KernelId kKernel{"linear_weight_gradient", KernelClass::product};
  ConstRows dz;
  ConstRows x;
  Matrix d_weight;
  bool accumulate_weight = false;
  float* d_bias = nullptr;
  bool accumulate_bias = false;
  [[nodiscard]] KernelWork work() const;
  /// A product and a pass.
  void run_parts(Kernels& kernels) const;
};

}  // namespace calls
}  // namespace temper

/// EACH(Name) for each call of this file (tensor/kernels.h).
#define TEMPER_MATMUL_CALLS(EACH) EACH(Matmul) EACH(LinearForward) EACH(LinearWeightGradient)
