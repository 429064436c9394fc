// What heads do with a row before they classify it: a dense layer, an activation, and for some a norm.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "model/layers/layer_norm.h"
#include "model/layers/linear.h"

namespace temper {

struct HeadTransformNames {
  std::string dense;
  std::string norm = {};  ///< empty: there is none
};

struct HeadTransformShape {
  std::int64_t width;  ///< of the hidden state
  std::int64_t out;
  Activation activation;
  float epsilon = 0.0F;
  Linear::Bias dense_bias = Linear::Bias::zeros;
  LayerNorm::Bias norm_bias = LayerNorm::Bias::zeros;
};

class HeadTransform {
 public:
  HeadTransform(const ParameterPlace& place, const HeadTransformNames& names, const HeadTransformShape& shape);

  /// rows [n, width] -> [n, out].
  Variable operator()(Tape& tape, const Variable& rows) const;

 private:
  Activation activation_;
  Linear dense_;
  std::optional<LayerNorm> norm_;
};

}  // namespace temper
