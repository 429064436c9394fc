// What masked language modelling needs to know to mask a batch (data/text/masking.h).
#pragma once

#include <cstdint>
#include <vector>

#include "data/batch.h"
#include "data/text/masking.h"
#include "data/tokenizer/tokenizer.h"
#include "model/huggingface/model_config.h"

namespace temper {

/// Which tokens are masked is a pure function of (seed, epoch, example, position). For evaluation the epoch is fixed.
struct MaskingPlan {
  MaskingVocabulary vocabulary;
  std::uint64_t seed = 0;

  /// Tokens for which the model has no embedding are not drawn. Throws Error if the tokenizer has
  /// no mask token that has an embedding.
  MaskingPlan(const Tokenizer& tokenizer, const ModelConfig& config, std::uint64_t seed);
  void apply(Batch& batch, std::int64_t epoch) const;
};

}  // namespace temper
