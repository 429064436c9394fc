#include "model/heads/masked_lm_head.h"

namespace temper {

MaskedLmHead::MaskedLmHead(const ParameterPlace& place, const MaskedLmHeadNames& names, const Variable& words,
                           const MaskedLmHeadShape& shape, const LossSettings& loss)
    : Head({ReadTokens::labelled}, loss),
      activation_(shape.activation),
      dense_(place, names.dense, shape.word_width, shape.width),
      norm_(place, names.norm, shape.word_width, shape.epsilon),
      decoder_(words, place.add(names.bias, {shape.vocabulary}, Initialization::zeros())) {}

Variable MaskedLmHead::outputs(Tape& tape, const HeadInput& input) const {
  return decoder_(tape, norm_(tape, dense_(tape, input.hidden, activation_)));
}

}  // namespace temper
