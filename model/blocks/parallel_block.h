// The transformer block whose attention and feed-forward network read the same stream and are added to it together
// (Wang, Komatsuzaki: "GPT-J-6B", 2021; Black et al.: "GPT-NeoX-20B", 2022).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "model/block.h"
#include "model/layers/attention_layer.h"
#include "model/layers/feed_forward_layer.h"
#include "model/layers/layer_norm.h"

namespace temper {

/// Made from the top down, which is the order of their parameters.
struct ParallelParts {
  std::optional<LayerNorm> attention_norm = {};
  std::unique_ptr<AttentionLayer> attention = nullptr;
  std::optional<LayerNorm> feed_forward_norm = {};  ///< none: that of attention is for both
  std::unique_ptr<FeedForwardLayer> feed_forward = nullptr;
  std::optional<LayerNorm> final_norm = {};  ///< of the stream itself, behind the topmost block
};

class ParallelBlock final : public Block {
 public:
  /// `dropout`: of what each of the two gives.
  ParallelBlock(ParallelParts parts, double dropout) : parts_(std::move(parts)), dropout_(dropout) {}

  Variable forward(Tape& tape, const PackedInput& input, const Variable& hidden, const TokenSelection& selection,
                   std::uint32_t dropout_place) const override;
  [[nodiscard]] std::uint32_t dropout_places() const override { return parts_.attention->dropout_places() + 3; }

 private:
  ParallelParts parts_;
  double dropout_;
};

}  // namespace temper
