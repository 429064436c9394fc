// What masked language modelling needs to know to mask a batch (data/masking.h).
#pragma once

#include <cstdint>
#include <vector>

#include "data/batch.h"
#include "data/masking.h"
#include "data/tokenizer/tokenizer.h"

namespace temper {

/// Which tokens are masked is a pure function of (seed, epoch, example, position). For evaluation the epoch is fixed.
struct MaskingPlan {
  MaskingVocabulary vocabulary;
  std::uint64_t seed = 0;

  /// Throws Error if the tokenizer has no mask token.
  MaskingPlan(const Tokenizer& tokenizer, std::uint64_t seed);
  void apply(Batch& batch, std::int64_t epoch) const;
};

}  // namespace temper
