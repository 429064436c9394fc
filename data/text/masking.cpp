#include "data/text/masking.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "base/counter_random.h"
#include "base/error.h"
#include "data/token_rows.h"

namespace temper {
namespace {

/// Keeps masks apart from other random numbers of the same seed.
constexpr std::uint64_t kMaskPurpose = 2;

constexpr double kMasked = 0.8;
constexpr double kReplaced = 0.1;

}  // namespace

void mask_tokens(Batch& batch, const MaskingVocabulary& vocabulary, std::uint64_t seed, std::int64_t epoch) {
  if (vocabulary.mask_id < 0 || vocabulary.mask_id >= vocabulary.vocabulary_size)
    throw Error("the mask token has the id {}, expected one of 0 to {}", vocabulary.mask_id,
                vocabulary.vocabulary_size - 1);
  if (std::cmp_not_equal(vocabulary.special.size(), vocabulary.vocabulary_size))
    throw Error("{} tokens are marked as special or not, the vocabulary has {}", vocabulary.special.size(),
                vocabulary.vocabulary_size);
  const bool all_special =
      std::find(vocabulary.special.begin(), vocabulary.special.end(), false) == vocabulary.special.end();
  const auto size = static_cast<std::uint64_t>(vocabulary.vocabulary_size);
  std::vector<std::int32_t>& ids = batch.text().ids;
  batch.classes.assign(ids.size(), kUnlabelled);
  if (all_special) return;
  for (std::size_t s = 0; s < batch.examples.size(); ++s) {
    const auto begin = static_cast<std::size_t>(batch.sequence_starts[s]);
    const auto end = static_cast<std::size_t>(batch.sequence_starts[s + 1]);
    for (std::size_t t = begin; t < end; ++t) {
      std::int32_t& id = ids[t];
      if (id < 0 || id >= vocabulary.vocabulary_size)
        throw Error("a token has the id {}, expected one of 0 to {}", id, vocabulary.vocabulary_size - 1);
      if (vocabulary.special[static_cast<std::size_t>(id)]) continue;
      CounterRandom random({seed, kMaskPurpose, static_cast<std::uint64_t>(epoch), batch.examples[s], t - begin});
      if (random.uniform() >= kMaskedFraction) continue;
      batch.classes[t] = id;
      const double fate = random.uniform();
      if (fate < kMasked) {
        id = vocabulary.mask_id;
      } else if (fate < kMasked + kReplaced) {
        do {
          id = static_cast<std::int32_t>(random.below(size));
        } while (vocabulary.special[static_cast<std::size_t>(id)]);
      }
    }
  }
}

MaskingVocabulary masking_vocabulary(const Tokenizer& tokenizer, std::int64_t embeddings) {
  MaskingVocabulary vocabulary;
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
  return vocabulary;
}

std::vector<bool> maskable_tokens(const MaskingVocabulary& vocabulary) {
  std::vector<bool> maskable = vocabulary.special;
  maskable.flip();
  return maskable;
}

BatchTransform masking(const Tokenizer& tokenizer, std::int64_t embeddings) {
  return [vocabulary = masking_vocabulary(tokenizer, embeddings)](
             Batch& batch, std::uint64_t seed, std::int64_t epoch) { mask_tokens(batch, vocabulary, seed, epoch); };
}

}  // namespace temper
