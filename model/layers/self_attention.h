// Multi-head self-attention with a linear layer on each side (Vaswani et al. 2017).
#pragma once

#include <cstdint>
#include <string>

#include "model/layers/attention_layer.h"
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
};

class SelfAttention final : public AttentionLayer {
 public:
  SelfAttention(const ParameterPlace& place, const SelfAttentionNames& names, const SelfAttentionShape& shape);

  /// Of tokens that do not ask, only keys and values are computed, and not even these where each sequence asks with one
  /// token (attention_over_inputs()).
  Variable forward(Tape& tape, const PackedInput& input, const Variable& hidden, const Variable& asking,
                   const TokenSelection& selection, std::uint32_t dropout_place) const override;

 private:
  SelfAttentionShape shape_;
  Linear query_;
  Linear key_;
  Linear value_;
  Linear output_;
};

}  // namespace temper
