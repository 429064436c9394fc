// The transformer block with its norms before its layers, beside which the residual stream goes on unnormed (Xiong et
// al.: "On layer normalization in the transformer architecture", 2020); also with norms of what the layers give, before
// it is added to the stream, beside the others (Gemma 2) or instead of them (OLMo 2).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "model/block.h"
#include "model/layers/attention_layer.h"
#include "model/layers/feed_forward_layer.h"
#include "model/layers/layer_norm.h"
#include "model/layers/layer_scale.h"

namespace temper {

/// Made from the top down, which is the order of their parameters.
struct PreNormParts {
  std::optional<LayerNorm> attention_norm = {};  ///< none: what comes in is normed already, or goes in as it is
  std::unique_ptr<AttentionLayer> attention = nullptr;
  std::optional<LayerNorm> attention_output_norm = {};  ///< none: what the layer gives is added as it is
  std::optional<LayerScale> attention_scale = {};
  std::optional<LayerNorm> feed_forward_norm = {};
  std::unique_ptr<FeedForwardLayer> feed_forward = nullptr;
  std::optional<LayerNorm> feed_forward_output_norm = {};
  std::optional<LayerScale> feed_forward_scale = {};
  std::optional<LayerNorm> final_norm = {};  ///< of the stream itself, behind the topmost block
};

struct PreNormRates {
  double attention_dropout = 0.0;     ///< on the attention's output, before the residual sum
  double feed_forward_dropout = 0.0;  ///< on the feed-forward output, before the residual sum
  double drop_path = 0.0;             ///< of images: how often a whole one goes past either layer
};

class PreNormBlock final : public Block {
 public:
  PreNormBlock(PreNormParts parts, const PreNormRates& rates);

  Variable forward(Tape& tape, const PackedInput& input, const Variable& hidden, const TokenSelection& selection,
                   std::uint32_t dropout_place) const override;
  [[nodiscard]] std::uint32_t dropout_places() const override {
    return parts_.attention->dropout_places() + 3 + (rates_.drop_path > 0.0 ? 2 : 0);
  }

 private:
  PreNormParts parts_;
  PreNormRates rates_;
};

}  // namespace temper
