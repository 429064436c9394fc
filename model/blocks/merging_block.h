// A block behind which four neighbouring places of an image become one of twice the width (Liu et al.: "Swin
// transformer", 2021, 3.1).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "model/block.h"
#include "model/layers/layer_norm.h"
#include "model/layers/linear.h"
#include "model/layers/window_attention.h"
#include "tensor/ops/image_rows.h"

namespace temper {

class MergingBlock final : public Block {
 public:
  /// Behind `block`, whose hidden state has `width` columns on this grid. Adds "norm" [4 width] and "reduction" [2
  /// width, 4 width] at `place`.
  MergingBlock(std::unique_ptr<const Block> block, const ParameterPlace& place, std::int64_t width, StageGrid grid);

  /// Of all tokens. Beyond the end of an odd side stand zeros.
  Variable forward(Tape& tape, const PackedInput& input, const Variable& hidden, const TokenSelection& selection,
                   std::uint32_t dropout_place) const override;
  [[nodiscard]] std::uint32_t dropout_places() const override { return block_->dropout_places(); }

 private:
  std::unique_ptr<const Block> block_;
  StageGrid grid_;
  LayerNorm norm_;
  Linear reduction_;
  mutable std::map<std::pair<std::int64_t, std::int64_t>, std::unique_ptr<RowMap>> maps_;  ///< by height and width
};

}  // namespace temper
