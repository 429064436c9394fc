#include "model/layers/layer_norm.h"

namespace temper {

namespace {

/// With these a new norm changes nothing but the scale.
Initialization norm_weights(const NormShape& shape) {
  return shape.weight_offset == 0.0F ? Initialization::ones() : Initialization::zeros();
}

}  // namespace

LayerNorm::LayerNorm(const ParameterPlace& place, const std::string& name, std::int64_t width, const NormShape& shape,
                     Bias bias)
    : shape_(shape) {
  const ParameterPlace inner = place.within(name);
  weight_ = inner.add("weight", {width}, norm_weights(shape));
  if (bias == Bias::zeros) bias_ = inner.add("bias", {width}, Initialization::zeros());
}

LayerNorm::LayerNorm(const ParameterPlace& place, const std::string& name, std::int64_t heads, std::int64_t width,
                     const NormShape& shape)
    : weight_(place.within(name).add("weight", {heads, width}, norm_weights(shape))), shape_(shape) {}

Variable LayerNorm::operator()(Tape& tape, const Variable& x) const {
  return layer_norm(tape, x, Variable(), weight_, bias_, shape_);
}

Variable LayerNorm::operator()(Tape& tape, const Variable& x, const Variable& residual, TokenKeys names,
                               const Dropout& dropout) const {
  return layer_norm(tape, x, residual, weight_, bias_, shape_, names, dropout);
}

NormedSum LayerNorm::add(Tape& tape, const Variable& x, const Variable& residual, TokenKeys names,
                         const Dropout& dropout) const {
  return add_norm(tape, x, residual, weight_, bias_, shape_, names, dropout);
}

Variable LayerNorm::of_heads(Tape& tape, const Variable& x, std::int64_t heads) const {
  return norm_heads(tape, x, weight_, heads, shape_);
}

}  // namespace temper
