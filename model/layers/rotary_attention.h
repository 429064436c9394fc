// Self-attention whose queries and keys are turned by their positions, with heads that share keys, windows and fused
// projections, as decoders and newer encoders have it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/layers/attention_layer.h"
#include "model/layers/linear.h"

namespace temper {

struct RotaryAttentionNames {
  /// Of the layers that give queries, keys and values; or of the one that gives all three, in this order.
  std::vector<std::string> projections;
  std::string output;
};

struct RotaryAttentionShape {
  std::int64_t width;
  AttentionShape attention;
  RotaryAngles angles;
  Linear::Bias projection_bias;
  Linear::Bias output_bias;
  double dropout;  ///< on the attention probabilities
  Initialization output_weights;
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
  void turn(Tape& tape, const Variable& x, std::int64_t heads, const Tensor& positions) const;

  RotaryAttentionShape shape_;
  std::vector<Linear> projections_;
  Linear output_;
};

}  // namespace temper
