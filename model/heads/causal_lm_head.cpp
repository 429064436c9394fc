#include "model/heads/causal_lm_head.h"

#include "tensor/ops/activation.h"

namespace temper {

CausalLmHead::CausalLmHead(const Variable& words, const LossSettings& loss, const LogitShape& logits)
    : Head({ReadTokens::labelled}, loss), decoder_(words, Variable()), logits_(logits) {}

CausalLmHead::CausalLmHead(const ParameterPlace& place, const std::string& name, std::int64_t vocabulary,
                           std::int64_t width, const LossSettings& loss, const LogitShape& logits)
    : Head({ReadTokens::labelled}, loss),
      decoder_(place, name, vocabulary, width, Linear::Bias::none),
      logits_(logits) {}

Variable CausalLmHead::outputs(Tape& tape, const HeadInput& input) const {
  const Variable product = decoder_(tape, input.hidden);
  if (logits_.soft_cap == 0.0F) return logits_.scale == 1.0F ? product : scale(tape, product, logits_.scale);
  const Variable bent = activated(tape, scale(tape, product, logits_.scale / logits_.soft_cap), Activation::tanh);
  return scale(tape, bent, logits_.soft_cap);
}

}  // namespace temper
