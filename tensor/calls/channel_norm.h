// Batch norm (Ioffe, Szegedy: "Batch normalization: accelerating deep network training by reducing internal covariate
// shift", 2015): each column of a matrix by its own mean and variance, be they those of the rows or stored ones, with
// what stands behind it: a residual sum and an activation.
#pragma once

#include <cstdint>

#include "tensor/activation.h"
#include "tensor/calls/kernel_work.h"
#include "tensor/rows.h"

namespace temper {

/// What a column is normed by, f32 [columns] each: normal = (x - mean) / sqrt(variance + epsilon).
struct ChannelStatisticsOf {
  const float* mean;
  const float* variance;  ///< of all rows (the sum of squares is divided by their number)
  float epsilon;
};

namespace calls {

/// mean and variance f32 [columns] of x [rows, columns]; the variance's divisor is the number of rows, at least one.
struct ChannelStatistics {
  static constexpr KernelId kKernel{"channel_statistics", KernelClass::pass};
  ConstRows x;
  float* mean;
  float* variance;
  [[nodiscard]] KernelWork work() const;
};

/// y = activation(normal * weight + bias + residual); weight and bias [columns] and the residual may be null. The
/// activation is none or relu. y may be x or the residual.
struct ChannelNormForward {
  static constexpr KernelId kKernel{"channel_norm_forward", KernelClass::pass};
  ConstRows x;
  ChannelStatisticsOf statistics;
  const float* weight = nullptr;
  const float* bias = nullptr;
  ConstRows residual = {};
  Activation activation = Activation::none;
  Rows y;
  [[nodiscard]] KernelWork work() const;
};

/// With g = dy * activation'(y), which is also the residual's gradient: dx (+)= g * weight / sqrt(variance + epsilon);
/// where the statistics are those of the rows of x, g is first freed of its mean and of its part along normal.
/// d_weight [columns] (+)= sum of g * normal over rows, d_bias [columns] (+)= sum of g.
struct ChannelNormBackward {
  static constexpr KernelId kKernel{"channel_norm_backward", KernelClass::pass};
  ConstRows dy;
  ConstRows x = {};  ///< read for d_weight, or if the statistics are those of its rows
  ConstRows y = {};  ///< read if there is an activation
  ChannelStatisticsOf statistics;
  bool statistics_of_rows = false;
  const float* weight = nullptr;
  Activation activation = Activation::none;
  Rows g = {};   ///< may be dy, or null where there is no activation
  Rows dx = {};  ///< may be null; may be g unless it is added to
  bool accumulate = false;
  float* d_weight = nullptr;  ///< may be null
  bool accumulate_weight = false;
  float* d_bias = nullptr;  ///< may be null
  bool accumulate_bias = false;
  [[nodiscard]] KernelWork work() const;
};

}  // namespace calls
}  // namespace temper

/// EACH(Name) for each call of this file (tensor/kernels.h).
#define TEMPER_CHANNEL_NORM_CALLS(EACH) EACH(ChannelStatistics) EACH(ChannelNormForward) EACH(ChannelNormBackward)
