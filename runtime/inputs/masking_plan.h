// What masked language modelling needs to know to mask a batch (data/text/masking.h).
#pragma once

#include <cstdint>
#include <vector>

#include "data/batch.h"
#include "data/text/masking.h"
#include "data/tokenizer/tokenizer.h"

namespace temper {

/// Which tokens are masked is a pure function of (seed, epoch, example, position). For evaluation the epoch is fixed.
struct MaskingPlan {
  MaskingVocabulary vocabulary;
  std::uint64_t seed = 0;

  /// The model has embeddings for the first `embeddings` tokens; the others are not drawn. Throws Error if the
  /// tokenizer has no mask token that has one.
  MaskingPlan(const Tokenizer& tokenizer, std::int64_t embeddings, std::uint64_t seed);
  void apply(Batch& batch, std::int64_t epoch) const;
};

}  // namespace temper
