// Layer norm and RMS norm with the dropout and the residual sum before them.
#pragma once

#include <cstdint>

#include "tensor/calls/kernel_work.h"
#include "tensor/random.h"
#include "tensor/rows.h"

namespace temper {

enum class NormKind : std::uint8_t {
  layer,             ///< of what a row differs from its mean by (Ba, Kiros, Hinton: "Layer normalization", 2016)
  root_mean_square,  ///< of the row itself (Zhang, Sennrich: "Root mean square layer normalization", 2019)
};

namespace calls {

/// sum = dropout(x) + residual (residual.data may be null, dropout inactive); y = (sum - mean) * rstd * weight + bias
/// (bias may be null). `sum` may be null if it is not read, and may be x.data where residual is null and dropout
/// inactive; mean, rstd [rows] may be null where no backward follows. Variance is the biased one, as in
/// torch.nn.LayerNorm. A root-mean-square norm takes the mean to be 0, and does not write it; weight_offset is added to
/// each of its weights (Gemma, whose weights are what they differ from 1 by).
struct LayerNormForward {
  static constexpr KernelId kKernel{"layer_norm_forward", KernelClass::pass};
  ConstRows x;
  ConstRows residual = {};
  TokenKeys names = {};
  Dropout dropout = {};
  const float* weight;
  const float* bias = nullptr;
  float epsilon;
  NormKind kind = NormKind::layer;
  float weight_offset = 0.0F;
  Rows y;
  Rows sum = {};
  float* mean = nullptr;
  float* rstd = nullptr;
  [[nodiscard]] KernelWork work() const;
};

/// d = gradient of the sum: that of the norm, and d_sum (data may be null), what it has from elsewhere; d_residual
/// (data may be null) (+)= d; dx (data may be null) = dropout mask * d (overwritten); d_weight, d_bias (each may be
/// null) (+)=. sum, mean, rstd as forward left them; the mean is not read of a root-mean-square norm.
struct LayerNormBackward {
  static constexpr KernelId kKernel{"layer_norm_backward", KernelClass::pass};
  ConstRows dy;
  ConstRows sum;
  const float* mean;
  const float* rstd;
  const float* weight;
  NormKind kind = NormKind::layer;
  float weight_offset = 0.0F;
  ConstRows d_sum = {};
  TokenKeys names = {};
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

}  // namespace calls
}  // namespace temper

/// EACH(Name) for each call of this file (tensor/kernels.h).
#define TEMPER_LAYER_NORM_CALLS(EACH) EACH(LayerNormForward) EACH(LayerNormBackward)
