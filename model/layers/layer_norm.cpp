#include "model/layers/layer_norm.h"

namespace temper {

LayerNorm::LayerNorm(const ParameterPlace& place, const std::string& name, std::int64_t width, float epsilon, Bias bias)
    : epsilon_(epsilon) {
  const ParameterPlace inner = place.within(name);
  weight_ = inner.add("weight", {width}, Initialization::ones());
  if (bias == Bias::zeros) bias_ = inner.add("bias", {width}, Initialization::zeros());
}

Variable LayerNorm::operator()(Tape& tape, const Variable& x) const {
  return layer_norm(tape, x, Variable(), weight_, bias_, epsilon_);
}

Variable LayerNorm::operator()(Tape& tape, const Variable& x, const Variable& residual, TokenKeys names,
                               const Dropout& dropout) const {
  return layer_norm(tape, x, residual, weight_, bias_, epsilon_, names, dropout);
}

NormedSum LayerNorm::add(Tape& tape, const Variable& x, const Variable& residual, TokenKeys names,
                         const Dropout& dropout) const {
  return add_norm(tape, x, residual, weight_, bias_, epsilon_, names, dropout);
}

}  // namespace temper
