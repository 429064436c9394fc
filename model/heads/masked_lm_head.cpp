#include "model/heads/masked_lm_head.h"

#include <utility>

namespace temper {
namespace {

Linear decoder_over(const Variable& words, const ParameterPlace& place, const MaskedLmHeadNames& names,
                    const MaskedLmHeadShape& shape) {
  if (!words.defined()) return {place, names.decoder, shape.vocabulary, shape.word_width};
  return {words, place.add(names.bias, {shape.vocabulary}, Initialization::zeros())};
}

}  // namespace

MaskedLmHead::MaskedLmHead(const ParameterPlace& place, const MaskedLmHeadNames& names, const Variable& words,
                           const MaskedLmHeadShape& shape, const LossSettings& loss)
    : Head({ReadTokens::labelled}, loss),
      transform_(place, {names.dense, names.norm}, {shape.width, shape.word_width, shape.activation, shape.epsilon}),
      decoder_(decoder_over(words, place, names, shape)) {
  decoder_.belongs_to(ModulePart::output);
}

MaskedLmHead::MaskedLmHead(HeadTransform transform, Linear decoder, const LossSettings& loss)
    : Head({ReadTokens::labelled}, loss), transform_(std::move(transform)), decoder_(std::move(decoder)) {
  decoder_.belongs_to(ModulePart::output);
}

Variable MaskedLmHead::outputs(Tape& tape, const HeadInput& input) const {
  return decoder_(tape, transform_(tape, input.hidden));
}

}  // namespace temper
