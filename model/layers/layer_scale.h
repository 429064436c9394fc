// Layer scale (Touvron et al.: "Going deeper with image transformers", 2021): a learnt factor for each column of what a
// layer gives, before it is added to the residual stream.
#pragma once

#include <cstdint>
#include <string>

#include "model/parameter.h"
#include "tensor/ops.h"

namespace temper {

class LayerScale {
 public:
  /// Adds `name` [width], drawn as `value` everywhere.
  LayerScale(const ParameterPlace& place, const std::string& name, std::int64_t width, float value)
      : factors_(place.add(name, {width}, {Distribution::ones, value})) {}

  /// x [rows, width] -> [rows, width].
  Variable operator()(Tape& tape, const Variable& x) const { return scale_columns(tape, x, factors_); }

 private:
  Variable factors_;
};

}  // namespace temper
