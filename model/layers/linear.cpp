#include "model/layers/linear.h"

namespace temper {

Linear::Linear(const ParameterPlace& place, const std::string& name, std::int64_t out, std::int64_t in, Bias bias) {
  const ParameterPlace inner = place.within(name);
  weight_ = inner.add_matrix("weight", out, in);
  if (bias == Bias::zeros) bias_ = inner.add("bias", {out}, Initialization::zeros());
}

Variable Linear::operator()(Tape& tape, const Variable& x, Activation activation) const {
  return is_plain() ? without_adapter(tape, x, activation) : adapter_->forward(tape, *this, x, activation);
}

Variable Linear::outputs(Tape& tape, const Variable& x, std::int64_t first, std::int64_t count) const {
  if (!is_plain()) return columns(tape, (*this)(tape, x), first, count);
  return linear(tape, x, rows(tape, weight_, first, count),
                bias_.defined() ? rows(tape, bias_, first, count) : Variable());
}

Variable Linear::without_adapter(Tape& tape, const Variable& x, Activation activation) const {
  return linear(tape, x, weight_, bias_, activation);
}

}  // namespace temper
