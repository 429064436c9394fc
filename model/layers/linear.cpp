#include "model/layers/linear.h"

#include "model/layers/low_rank.h"

namespace temper {

Linear::Linear(const ParameterPlace& place, const std::string& name, std::int64_t out, std::int64_t in, Bias bias)
    : module_(place.list.add_module(place.prefix + name, AdaptableModule::Kind::linear)) {
  const ParameterPlace inner = place.within(name);
  weight_ = inner.add_matrix("weight", out, in);
  if (bias == Bias::zeros) bias_ = inner.add("bias", {out}, Initialization::zeros());
}

Variable Linear::operator()(Tape& tape, const Variable& x, Activation activation) const {
  return is_plain() ? without_adapter(tape, x, activation)
                    : module_->adapter->adapted(tape, {weight_, bias_}, x, activation);
}

Variable Linear::of_table(Tape& tape, const Variable& x, TokenKeys names) const {
  return is_plain() ? without_adapter(tape, x)
                    : module_->adapter->adapted(tape, {weight_, bias_}, x, Activation::none, &names);
}

Variable Linear::outputs(Tape& tape, const Variable& x, std::int64_t first, std::int64_t count) const {
  const Variable weight = rows(tape, weight_, first, count);
  const Variable bias = bias_.defined() ? rows(tape, bias_, first, count) : Variable();
  if (is_plain()) return linear(tape, x, weight, bias);
  return module_->adapter->adapted(tape, {weight, bias, first}, x, Activation::none);
}

Variable Linear::without_adapter(Tape& tape, const Variable& x, Activation activation) const {
  return linear(tape, x, weight_, bias_, activation);
}

}  // namespace temper
