// Depthwise convolutions: each channel with a kernel of its own (Sifre: "Rigid-motion scattering for image
// classification", 2014, section 6.2).
#pragma once

#include <cstdint>

#include "tensor/calls/windows.h"

namespace temper::calls {

/// y [places, c] = the sum over taps t of windows of x [pixels, c], times weight [taps, c] in f32, + bias [c] (may be
/// null). With the mirrored grid and no bias it is the way back of a convolution of stride 1.
struct DepthwiseForward {
  static constexpr KernelId kKernel{"depthwise_forward", KernelClass::pass};
  ConstRows x;
  WindowGrid grid;
  const float* weight;
  const float* bias = nullptr;
  Rows y;
  bool accumulate = false;
  [[nodiscard]] KernelWork work() const;
};

/// d_weight [taps, c] (+)= the sum over places of dy [places, c] times the tap's pixel of x [pixels, c]; d_bias [c]
/// (may be null) (+)= the sum of dy over rows.
struct DepthwiseWeightGradient {
  static constexpr KernelId kKernel{"depthwise_weight_gradient", KernelClass::pass};
  ConstRows dy;
  ConstRows x;
  WindowGrid grid;
  float* d_weight;
  bool accumulate_weight = false;
  float* d_bias = nullptr;
  bool accumulate_bias = false;
  [[nodiscard]] KernelWork work() const;
};

}  // namespace temper::calls

/// EACH(Name) for each call of this file (tensor/kernels.h).
#define TEMPER_DEPTHWISE_CALLS(EACH) EACH(DepthwiseForward) EACH(DepthwiseWeightGradient)
