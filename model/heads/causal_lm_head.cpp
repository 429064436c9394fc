#include "model/heads/causal_lm_head.h"

#include "tensor/ops/activation.h"

namespace temper {

CausalLmHead::CausalLmHead(const Variable& words, const LossSettings& loss, const LogitShape& logits)
    : Head({ReadTokens::labelled}, loss), decoder_(words, Variable()), logits_(logits) {}

CausalLmHead::CausalLmHead(const ParameterPlace& place, const std::string& name, std::int64_t vocabulary,
                           std::int64_t width, const LossSettings& loss, const LogitShape& logits)
    : Head({ReadTokens::labelled}, loss),
      decoder_(place, name, vocabulary, width, Linear::Bias::none),
      logits_(logits) {
  decoder_.belongs_to(ModulePart::output);
}

Variable CausalLmHead::outputs(Tape& tape, const HeadInput& input) const {
  const Variable product = decoder_(tape, input.hidden);
  if (logits_.soft_cap == 0.0F) return logits_.scale == 1.0F ? product : scale(tape, product, logits_.scale);
  const Variable bent = activated(tape, scale(tape, product, logits_.scale / logits_.soft_cap), Activation::tanh);
  return scale(tape, bent, logits_.soft_cap);
}

void CausalLmHead::loss(Tape& tape, const HeadInput& input, const Targets& targets, const Tensor& sum) const {
  if (loss_settings().kind == LossKind::preference) return pair_loss(tape, input, targets, sum);
  if (!is_fused()) return Head::loss(tape, input, targets, sum);
  row_losses(tape, input, targets, sum, {});
}

void CausalLmHead::row_losses(Tape& tape, const HeadInput& input, const Targets& targets, const Tensor& sum,
                              const RowLosses& of_rows) const {
  if (!is_fused()) return Head::row_losses(tape, input, targets, sum, of_rows);
  linear_cross_entropy(tape, input.hidden, decoder_.weight(), decoder_.bias(), logits_, targets.classes,
                       loss_terms(tape, loss_settings(), targets), sum, of_rows);
}

void CausalLmHead::pair_loss(Tape& tape, const HeadInput& input, const Targets& targets, const Tensor& sum) const {
  const PreferencePairs pairs{input.selection.starts, targets.references};
  const PreferenceTerms terms = loss_settings().preference_terms(tape.is_training());
  if (!is_fused()) return preference_loss(tape, outputs(tape, input), targets.classes, pairs, terms, sum);
  linear_preference_loss(tape, input.hidden, decoder_.weight(), decoder_.bias(), logits_, targets.classes, pairs, terms,
                         sum);
}

}  // namespace temper
