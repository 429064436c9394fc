// The block of ConvNeXt (Liu, Mao, Wu, Feichtenhofer, Darrell, Xie: "A ConvNet for the 2020s", 2022): a depthwise
// convolution, a norm and two linear layers beside what comes in; before the first block of a stage a norm and a
// convolution that halves the map.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/block.h"
#include "model/layers/convolution.h"
#include "model/layers/layer_norm.h"
#include "model/layers/linear.h"

namespace temper {

struct ConvNextShape {
  std::int64_t in = 0;
  std::int64_t out = 0;
  bool halves = false;       ///< the map first
  float layer_scale = 0.0F;  ///< what its factors are drawn as; 0: there are none
  double drop_path = 0.0;    ///< how often an image goes past the layers
  Activation activation = Activation::gelu;
};

class ConvNextBlock final : public Block {
 public:
  /// Adds what `stage_place` has of the stage, `downsampling_layer`, where the block halves the map, and then what
  /// `place` has of the block. Both are of stage place.stage of the sizes.
  ConvNextBlock(const ParameterPlace& stage_place, const ParameterPlace& place, const ConvNextShape& shape,
                std::shared_ptr<const MapSizes> sizes);

  Variable forward(Tape& tape, const PackedInput& input, const Variable& hidden, const TokenSelection& selection,
                   std::uint32_t dropout_place) const override;
  [[nodiscard]] std::uint32_t dropout_places() const override { return 1; }
  /// What the block does to the size of maps.
  [[nodiscard]] static std::vector<SquareWindow> windows(const ConvNextShape& shape);

 private:
  std::int64_t stage_;
  ConvNextShape shape_;
  std::shared_ptr<const MapSizes> sizes_;
  std::optional<LayerNorm> norm_before_halving_;
  std::optional<Convolution> halving_;
  Variable kernels_;
  Variable kernel_bias_;
  LayerNorm norm_;
  Linear wide_;
  Linear narrow_;
  Variable factors_;
};

}  // namespace temper
