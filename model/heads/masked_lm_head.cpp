#include "model/heads/masked_lm_head.h"

#include <utility>

namespace temper {

MaskedLmHead::MaskedLmHead(const ParameterPlace& place, const MaskedLmHeadNames& names, const Variable& words,
                           const MaskedLmHeadShape& shape, const LossSettings& loss)
    : MaskedLmHead(place,
                   HeadTransform(place, {names.dense, names.norm},
                                 {shape.width, shape.word_width, shape.activation, shape.epsilon}),
                   names.bias, words, shape.vocabulary, loss) {}

MaskedLmHead::MaskedLmHead(const ParameterPlace& place, HeadTransform transform, const std::string& bias,
                           const Variable& words, std::int64_t vocabulary, const LossSettings& loss)
    : Head({ReadTokens::labelled}, loss),
      transform_(std::move(transform)),
      decoder_(words, bias.empty() ? Variable() : place.add(bias, {vocabulary}, Initialization::zeros())) {}

Variable MaskedLmHead::outputs(Tape& tape, const HeadInput& input) const {
  return decoder_(tape, transform_(tape, input.hidden));
}

}  // namespace temper
