#include "model/heads/causal_lm_head.h"

namespace temper {

CausalLmHead::CausalLmHead(const Variable& words, const LossSettings& loss)
    : Head({ReadTokens::labelled}, loss), decoder_(words, Variable()) {}

CausalLmHead::CausalLmHead(const ParameterPlace& place, const std::string& name, std::int64_t vocabulary,
                           std::int64_t width, const LossSettings& loss)
    : Head({ReadTokens::labelled}, loss), decoder_(place, name, vocabulary, width, Linear::Bias::none) {}

Variable CausalLmHead::outputs(Tape& tape, const HeadInput& input) const { return decoder_(tape, input.hidden); }

}  // namespace temper
