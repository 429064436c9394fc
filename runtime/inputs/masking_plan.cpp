#include "runtime/inputs/masking_plan.h"

#include "base/error.h"

namespace temper {

MaskingPlan::MaskingPlan(const Tokenizer& tokenizer, std::int64_t embeddings, std::uint64_t masking_seed)
    : seed(masking_seed) {
  for (const char* name : {"[MASK]", "<mask>"})
    if (const auto id = tokenizer.id_of(name)) vocabulary.mask_id = *id;
  if (vocabulary.mask_id < 0)
    throw Error("the tokenizer has no mask token ([MASK] or <mask>), which masked language modelling needs");
  if (vocabulary.mask_id >= embeddings)
    throw Error(
        "the mask token has the id {}, but the model has embeddings for {} tokens; the tokenizer belongs to "
        "another model",
        vocabulary.mask_id, embeddings);
  vocabulary.vocabulary_size = tokenizer.vocabulary_size();
  for (std::int32_t id = 0; id < vocabulary.vocabulary_size; ++id)
    vocabulary.special.push_back(tokenizer.is_special(id) || id >= embeddings);
}

void MaskingPlan::apply(Batch& batch, std::int64_t epoch) const { mask_tokens(batch, vocabulary, seed, epoch); }

}  // namespace temper
