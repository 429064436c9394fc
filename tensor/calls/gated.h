// Gated units: one half of what a linear layer gives decides how much of the other goes on (Dauphin, Fan, Auli,
// Grangier: "Language modeling with gated convolutional networks", 2017; with GELU and SiLU: Shazeer, "GLU variants
// improve transformer", 2020).
#pragma once

#include "tensor/activation.h"
#include "tensor/calls/kernel_work.h"
#include "tensor/rows.h"

namespace temper::calls {

/// y = activation(gate) * value. y may be gate or value.
struct GatedForward {
  static constexpr KernelId kKernel{"gated_forward", KernelClass::pass};
  ConstRows gate;
  ConstRows value;
  Activation activation;
  Rows y;
  [[nodiscard]] KernelWork work() const;
};

/// d_gate = dy * value * activation'(gate); d_value = dy * activation(gate). Either may be null; both are overwritten,
/// and may lie where gate, value or dy do.
struct GatedBackward {
  static constexpr KernelId kKernel{"gated_backward", KernelClass::pass};
  ConstRows dy;
  ConstRows gate;
  ConstRows value;
  Activation activation;
  Rows d_gate = {};
  Rows d_value = {};
  [[nodiscard]] KernelWork work() const;
};

}  // namespace temper::calls

/// EACH(Name) for each call of this file (tensor/kernels.h).
#define TEMPER_GATED_CALLS(EACH) EACH(GatedForward) EACH(GatedBackward)
