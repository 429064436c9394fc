// Layer or root-mean-square normalization (NormKind in tensor/calls/layer_norm.h) with its parameters.
#pragma once

#include <cstdint>
#include <string>

#include "model/parameter.h"
#include "tensor/ops.h"

namespace temper {

class LayerNorm {
 public:
  enum class Bias : std::uint8_t { none, zeros };

  /// Adds `name`.weight and, if there is one, `name`.bias [width].
  LayerNorm(const ParameterPlace& place, const std::string& name, std::int64_t width, const NormShape& shape,
            Bias bias = Bias::zeros);
  /// Adds `name`.weight [heads, width], for of_heads().
  LayerNorm(const ParameterPlace& place, const std::string& name, std::int64_t heads, std::int64_t width,
            const NormShape& shape);

  /// x [rows, width] -> [rows, width].
  Variable operator()(Tape& tape, const Variable& x) const;
  /// Of dropout(x) + residual; names [rows] says which token each row is, for dropout.
  Variable operator()(Tape& tape, const Variable& x, const Variable& residual, TokenKeys names,
                      const Dropout& dropout) const;
  /// The same beside the sum itself, for blocks whose norms stand before their layers.
  [[nodiscard]] NormedSum add(Tape& tape, const Variable& x, const Variable& residual, TokenKeys names,
                              const Dropout& dropout) const;
  /// Of each head by itself: x [rows, heads * width], where there is no bias.
  [[nodiscard]] Variable of_heads(Tape& tape, const Variable& x, std::int64_t heads) const;

 private:
  Variable weight_;
  Variable bias_;
  NormShape shape_;
};

}  // namespace temper
