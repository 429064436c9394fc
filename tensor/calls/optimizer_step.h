// Updates of a slice of the parameters, one fused pass each. `compute_copy` (may be null) receives the updated
// parameters rounded to bf16.
#pragma once

#include <cstdint>

#include "tensor/bfloat16.h"
#include "tensor/calls/kernel_work.h"

namespace temper {

struct AdamWStep {
  float learning_rate = 0;  ///< already scheduled
  double beta1 = 0.9;
  double beta2 = 0.999;
  float epsilon = 1e-8F;
  float weight_decay = 0;    ///< decoupled (Loshchilov, Hutter: "Decoupled weight decay regularization", 2019)
  float gradient_scale = 1;  ///< 1 / count, times the clipping factor
  std::int64_t step = 1;     ///< 1-based number of updates that these moments have seen, this one included
};

struct SgdStep {
  float learning_rate = 0;
  float momentum = 0;
  float weight_decay = 0;  ///< added to the gradient, as in torch.optim.SGD
  float gradient_scale = 1;
};

namespace calls {

/// Scale, decay, moments, update.
struct AdamW {
  static constexpr KernelId kKernel{"adamw_step", KernelClass::pass};
  float* parameters;
  const float* gradients;
  float* first_moments;
  float* second_moments;
  BFloat16* compute_copy = nullptr;
  std::int64_t n;
  AdamWStep step;
  [[nodiscard]] KernelWork work() const { return work_of(n, compute_copy != nullptr); }
  [[nodiscard]] static KernelWork work_of(std::int64_t n, bool rounds_to_bf16);
};

/// momenta may be null where the momentum is 0.
struct Sgd {
  static constexpr KernelId kKernel{"sgd_step", KernelClass::pass};
  float* parameters;
  const float* gradients;
  float* momenta = nullptr;
  BFloat16* compute_copy = nullptr;
  std::int64_t n;
  SgdStep step;
  [[nodiscard]] KernelWork work() const { return work_of(n, momenta != nullptr, compute_copy != nullptr); }
  [[nodiscard]] static KernelWork work_of(std::int64_t n, bool has_momenta, bool rounds_to_bf16);
};

}  // namespace calls
}  // namespace temper

/// EACH(Name) for each call of this file (tensor/kernels.h).
#define TEMPER_OPTIMIZER_CALLS(EACH) EACH(AdamW) EACH(Sgd)
