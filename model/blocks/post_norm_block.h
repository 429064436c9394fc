// The post-norm transformer block: norms after the residual sums (Vaswani et al. 2017; Devlin et al. 2019).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "model/block.h"
#include "model/layers/attention_layer.h"
#include "model/layers/feed_forward.h"
#include "model/layers/layer_norm.h"

namespace temper {

struct PostNormNames {
  std::string attention_norm;
  FeedForwardNames feed_forward;
  std::string output_norm;
};

struct PostNormShape {
  FeedForwardShape feed_forward;
  float epsilon;
  double attention_dropout;  ///< on the attention's output, before the residual sum
  double output_dropout;     ///< on the feed-forward output, before the residual sum
};

class PostNormBlock final : public Block {
 public:
  /// The attention has been given its parameters before.
  PostNormBlock(const ParameterPlace& place, std::unique_ptr<AttentionLayer> attention, const PostNormNames& names,
                const PostNormShape& shape);

  Variable forward(Tape& tape, const PackedInput& input, const Variable& hidden, const TokenSelection& selection,
                   std::uint32_t dropout_place) const override;
  [[nodiscard]] std::uint32_t dropout_places() const override { return attention_->dropout_places() + 2; }

 private:
  double attention_dropout_;
  double output_dropout_;
  std::unique_ptr<AttentionLayer> attention_;
  LayerNorm attention_norm_;
  FeedForward feed_forward_;
  LayerNorm output_norm_;
};

}  // namespace temper
