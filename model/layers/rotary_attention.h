// Self-attention whose queries and keys are turned by their positions, with heads that share keys, windows, fused
// projections and normed queries and keys, as decoders and newer encoders have it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/layers/attention_layer.h"
#include "model/layers/layer_norm.h"
#include "model/layers/linear.h"

namespace temper {

struct RotaryAttentionNames {
  /// Of the layers that give queries, keys and values; or of the one that gives all three, in this order.
  std::vector<std::string> projections;
  std::string output;
  std::string query_norm = {};
  std::string key_norm = {};
};

/// What queries and keys are normed over before they are turned (Henry, Dachapally, Pawar, Chen: "Query-key
/// normalization for transformers", 2020).
enum class QueryKeyNorm : std::uint8_t {
  none,
  each_head,  ///< with weights that all heads share
  own_heads,  ///< each head, with weights of its own
  all_heads,  ///< as one row
};

struct RotaryAttentionShape {
  std::int64_t width;
  AttentionShape attention;
  RotaryAngles angles;  ///< without frequencies: nothing is turned
  Linear::Bias projection_bias;
  Linear::Bias output_bias;
  double dropout;  ///< on the attention probabilities
  Initialization output_weights;
  QueryKeyNorm query_key_norm = QueryKeyNorm::none;  ///< only with projections of their own
  NormShape norm = 0.0F;                             ///< what is computed of them
};

class RotaryAttention final : public AttentionLayer {
 public:
  RotaryAttention(const ParameterPlace& place, const RotaryAttentionNames& names, const RotaryAttentionShape& shape);

  /// For tokens outside the query subset, only keys and values are computed.
  Variable forward(Tape& tape, const PackedInput& input, const Variable& hidden, const Variable& query_rows,
                   const TokenSelection& selection, std::uint32_t dropout_place) const override;

 private:
  struct Projected {
    Variable query;
    Variable key;
    Variable value;
  };
  /// Queries and keys turned.
  [[nodiscard]] Projected project(Tape& tape, const PackedInput& input, const Variable& hidden,
                                  const Variable& query_rows, const TokenSelection& selection) const;
  /// `turned` are the tokens that x is of: all, or those that are selected.
  void turn(Tape& tape, const Variable& x, std::int64_t heads, const PackedInput& input,
            const TokenSelection& turned) const;
  [[nodiscard]] std::optional<LayerNorm> norm_of(const ParameterPlace& place, const std::string& name,
                                                 std::int64_t heads) const;
  [[nodiscard]] Variable normed(Tape& tape, const std::optional<LayerNorm>& norm, const Variable& x,
                                std::int64_t heads) const;

  RotaryAttentionShape shape_;
  std::vector<Linear> projections_;
  std::optional<LayerNorm> query_norm_;
  std::optional<LayerNorm> key_norm_;
  Linear output_;
};

}  // namespace temper
