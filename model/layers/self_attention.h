// Multi-head self-attention with a linear layer on each side (Vaswani et al. 2017).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "model/layers/attention_layer.h"
#include "model/layers/distance_bias.h"
#include "model/layers/linear.h"

namespace temper {

struct SelfAttentionNames {
  std::string query;
  std::string key;
  std::string value;
  std::string output;
};

struct SelfAttentionShape {
  std::int64_t width;
  std::int64_t heads;
  double dropout;  ///< on the attention probabilities
  bool causal = false;
  AttentionWindow window = {};
  float scale = 0.0F;                                 ///< of the scores; 0: 1 / sqrt(width of a head)
  std::optional<Initialization> output_weights = {};  ///< of the output projection; none: as all matrices
  Linear::Bias input_bias = Linear::Bias::zeros;      ///< of queries, keys and values
};

class SelfAttention final : public AttentionLayer {
 public:
  /// `bias`: what distances add to the scores; others may share it. Null: nothing.
  SelfAttention(const ParameterPlace& place, const SelfAttentionNames& names, const SelfAttentionShape& shape,
                std::shared_ptr<const DistanceBias> bias = nullptr);

  /// For tokens outside the query subset, only keys and values are computed, and not even these where each sequence
  /// asks with one token, which sees all others by what they are alone (attention_over_inputs()).
  Variable forward(Tape& tape, const PackedInput& input, const Variable& hidden, const Variable& query_rows,
                   const TokenSelection& selection, std::uint32_t dropout_place) const override;

 private:
  double dropout_;
  AttentionShape shape_;
  std::shared_ptr<const DistanceBias> bias_;
  Linear query_;
  Linear key_;
  Linear value_;
  Linear output_;
};

}  // namespace temper
