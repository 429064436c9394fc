#include "runtime/inputs/masking_plan.h"

namespace temper {

MaskingPlan::MaskingPlan(const Tokenizer& tokenizer, std::int64_t embeddings, std::uint64_t masking_seed)
    : vocabulary(masking_vocabulary(tokenizer, embeddings)), seed(masking_seed) {}

void MaskingPlan::apply(Batch& batch, std::int64_t epoch) const { mask_tokens(batch, vocabulary, seed, epoch); }

}  // namespace temper
