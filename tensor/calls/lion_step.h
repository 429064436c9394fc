// The update of Lion.
#pragma once

#include <cstdint>

#include "tensor/bfloat16.h"
#include "tensor/calls/kernel_work.h"

namespace temper {

struct LionStep {
  float learning_rate = 0;
  double beta1 = 0.9;
  double beta2 = 0.99;
  float weight_decay = 0;  ///< decoupled
  float gradient_scale = 1;
};

namespace calls {

/// As AdamW.
struct Lion {
  static constexpr KernelId kKernel{"lion_step", KernelClass::pass};
  float* parameters;
  const float* gradients;
  float* momenta;
  BFloat16* compute_copy = nullptr;
  std::int64_t n;
  LionStep step;
  [[nodiscard]] KernelWork work() const { return work_of(n, compute_copy != nullptr); }
  [[nodiscard]] static KernelWork work_of(std::int64_t n, bool rounds_to_bf16);
};

}  // namespace calls
}  // namespace temper

/// EACH(Name) for each call of this file (tensor/kernels.h).
#define TEMPER_LION_CALLS(EACH) EACH(Lion)
