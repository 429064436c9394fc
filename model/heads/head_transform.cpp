#include "model/heads/head_transform.h"

namespace temper {
namespace {

std::optional<LayerNorm> norm_of(const ParameterPlace& place, const HeadTransformNames& names,
                                 const HeadTransformShape& shape) {
  if (names.norm.empty()) return std::nullopt;
  return LayerNorm(place, names.norm, shape.out, shape.epsilon, shape.norm_bias);
}

}  // namespace

HeadTransform::HeadTransform(const ParameterPlace& place, const HeadTransformNames& names,
                             const HeadTransformShape& shape)
    : activation_(shape.activation),
      dense_(place, names.dense, shape.out, shape.width, shape.dense_bias),
      norm_(norm_of(place, names, shape)) {}

Variable HeadTransform::operator()(Tape& tape, const Variable& rows) const {
  const Variable dense = dense_(tape, rows, activation_);
  return norm_.has_value() ? (*norm_)(tape, dense) : dense;
}

}  // namespace temper
