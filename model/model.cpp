#include "model/model.h"

#include <algorithm>

namespace temper {

std::int64_t Model::frozen_stages() const {
  // A tied weight is listed once, where it is met first; training it trains that stage.
  std::int64_t frozen = stages();
  for (const Parameter& parameter : parameters_.all())
    if (parameter.trainable()) frozen = std::min(frozen, parameter.depth);
  return frozen;
}

Variable Model::forward_above_frozen(Tape& tape, const PackedInput& input, std::int64_t stages, const Variable& hidden,
                                     const TokenSelection& selection) {
  if (stages == 0) return forward(tape, input, selection);
  if (hidden.defined()) return forward_above(tape, input, stages, hidden, selection);
  Tape below(tape.device(), Tape::Mode::evaluation, {}, tape.activations());
  return forward_above(tape, input, stages, forward_below(below, input, stages, selection), selection);
}

}  // namespace temper
