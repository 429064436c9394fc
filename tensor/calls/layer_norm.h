// Layer norm with the dropout and the residual sum before it.
#pragma once

#include "tensor/calls/kernel_work.h"
#include "tensor/random.h"
#include "tensor/rows.h"

namespace temper::calls {

/// sum = dropout(x) + residual (residual.data may be null, dropout inactive); y = (sum - mean) * rstd * weight + bias.
/// `sum` may be null where no backward follows and may be x.data where residual is null and dropout inactive; mean,
/// rstd [rows] may be null together with it. Variance is the biased one, as in torch.nn.LayerNorm.
struct LayerNormForward {
  static constexpr KernelId kKernel{"layer_norm_forward", KernelClass::pass};
  ConstRows x;
  ConstRows residual = {};
  RowNames names = {};
  Dropout dropout = {};
  const float* weight;
  const float* bias;
  float epsilon;
  Rows y;
  Rows sum = {};
  float* mean = nullptr;
  float* rstd = nullptr;
  [[nodiscard]] KernelWork work() const;
};

/// d_sum = gradient of the sum; d_residual (data may be null) (+)= d_sum; dx (data may be null) = dropout mask * d_sum
/// (overwritten); d_weight, d_bias (each may be null) (+)=. sum, mean, rstd as forward left them.
struct LayerNormBackward {
  static constexpr KernelId kKernel{"layer_norm_backward", KernelClass::pass};
  ConstRows dy;
  ConstRows sum;
  const float* mean;
  const float* rstd;
  const float* weight;
  RowNames names = {};
  Dropout dropout = {};
  Rows dx = {};
  Rows d_residual = {};
  bool accumulate_residual = false;
  float* d_weight = nullptr;
  bool accumulate_weight = false;
  float* d_bias = nullptr;
  bool accumulate_bias = false;
  [[nodiscard]] KernelWork work() const;
};

}  // namespace temper::calls
