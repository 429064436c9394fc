// Masked-language-model data.
#pragma once

#include <cstdint>
#include <vector>

#include "data/example_source.h"
#include "data/tokenizer/tokenizer.h"

namespace temper {

/// Of the tokens that are not special, how many are chosen.
inline constexpr double kMaskedFraction = 0.15;

struct MaskingVocabulary {
  std::int32_t mask_id = -1;
  std::int32_t vocabulary_size = 0;
  std::vector<bool> special;  ///< [vocabulary_size] tokens that are neither masked nor drawn
};

/// Chooses 15 % of the tokens that are not special; of those 80 % become the mask, 10 % a random token that is not
/// special, and 10 % stay (Devlin et al., "BERT", 2019, section 3.1). Overwrites `ids`, and `classes` [tokens] with the
/// token that was there where one was chosen, kUnlabelled elsewhere. What is drawn for a token depends on (seed, epoch,
/// example, position) alone. Throws Error if the vocabulary has no mask, and for an id that is outside it.
void mask_tokens(Batch& batch, const MaskingVocabulary& vocabulary, std::uint64_t seed, std::int64_t epoch);

/// What masking needs to know of a tokenizer. Tokens for which the model has none of its `embeddings` are not drawn.
/// Throws Error if the tokenizer has no mask token that has an embedding.
MaskingVocabulary masking_vocabulary(const Tokenizer& tokenizer, std::int64_t embeddings);

/// By id, whether a token may be masked.
std::vector<bool> maskable_tokens(const MaskingVocabulary& vocabulary);

/// mask_tokens with that vocabulary, for a source. In an evaluation the epoch is always the same, and so are the masks.
BatchTransform masking(const Tokenizer& tokenizer, std::int64_t embeddings);

}  // namespace temper
