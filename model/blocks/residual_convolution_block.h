// The blocks of ResNet (He, Zhang, Ren, Sun: "Deep residual learning for image recognition", 2016): convolutions with
// batch norms, around which what comes in goes on, through a convolution of its own where its size changes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "model/block.h"
#include "model/layers/convolution.h"

namespace temper {

/// A convolution with its norm: NAME.convolution, NAME.normalization.
struct NormedConvolution {
  Convolution convolution;
  BatchNorm norm;

  NormedConvolution(const ParameterPlace& place, const std::string& name, std::int64_t out, std::int64_t in,
                    const SquareWindow& window);
};

/// What a block makes of a map.
struct ResidualShape {
  std::int64_t in = 0;
  std::int64_t out = 0;
  std::int64_t stride = 1;
  bool is_bottleneck = false;     ///< three convolutions, the middle one of a quarter of the channels, else two
  bool strides_at_first = false;  ///< of a bottleneck, the first convolution strides rather than the second
  Activation activation = Activation::relu;
};

class ResidualConvolutionBlock final : public Block {
 public:
  /// Adds `shortcut`, where there is one, and `layer.0`, `layer.1` ... The block is stage place.stage of the sizes.
  ResidualConvolutionBlock(const ParameterPlace& place, const ResidualShape& shape,
                           std::shared_ptr<const MapSizes> sizes);

  Variable forward(Tape& tape, const PackedInput& input, const Variable& hidden, const TokenSelection& selection,
                   std::uint32_t dropout_place) const override;
  [[nodiscard]] std::uint32_t dropout_places() const override { return 0; }
  /// What the block does to the size of maps.
  [[nodiscard]] static std::vector<SquareWindow> windows(const ResidualShape& shape);

 private:
  std::int64_t stage_;
  Activation activation_;
  std::shared_ptr<const MapSizes> sizes_;
  std::optional<NormedConvolution> shortcut_;
  std::vector<NormedConvolution> layers_;
};

}  // namespace temper
