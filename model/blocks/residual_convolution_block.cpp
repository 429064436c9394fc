#include "model/blocks/residual_convolution_block.h"

#include <cmath>
#include <utility>

namespace temper {
namespace {

constexpr SquareWindow kPoint{};
constexpr SquareWindow kSquare{.side = 3, .padding = 1};
/// How many times narrower the middle of a bottleneck is.
constexpr std::int64_t kReduction = 4;

SquareWindow in_steps(SquareWindow window, std::int64_t stride) {
  window.stride = stride;
  return window;
}

/// Of the paper's initialisation by what reads a place of the output: fan_out = out * side * side.
ParameterPlace drawn_by_fan_out(const ParameterPlace& place, std::int64_t out, const SquareWindow& window) {
  const auto fan = static_cast<float>(out * window.side * window.side);
  return place.drawing(Initialization::normal(std::sqrt(2.0F / fan)));
}

}  // namespace

NormedConvolution::NormedConvolution(const ParameterPlace& place, const std::string& name, std::int64_t out,
                                     std::int64_t in, const SquareWindow& window)
    : convolution(drawn_by_fan_out(place, out, window).within(name), "convolution", out, in, window,
                  Convolution::Bias::none),
      norm(place.within(name), "normalization", out) {}

std::vector<SquareWindow> ResidualConvolutionBlock::windows(const ResidualShape& shape) {
  if (!shape.is_bottleneck) return {in_steps(kSquare, shape.stride), kSquare};
  return {in_steps(kPoint, shape.strides_at_first ? shape.stride : 1),
          in_steps(kSquare, shape.strides_at_first ? 1 : shape.stride), kPoint};
}

ResidualConvolutionBlock::ResidualConvolutionBlock(const ParameterPlace& place, const ResidualShape& shape,
                                                   std::shared_ptr<const MapSizes> sizes)
    : stage_(place.stage), activation_(shape.activation), sizes_(std::move(sizes)) {
  if (shape.in != shape.out || shape.stride != 1)
    shortcut_.emplace(place, "shortcut", shape.out, shape.in, in_steps(kPoint, shape.stride));
  const std::vector<SquareWindow> all = windows(shape);
  const std::int64_t middle = shape.is_bottleneck ? shape.out / kReduction : shape.out;
  for (std::size_t i = 0; i < all.size(); ++i)
    layers_.emplace_back(place.within("layer"), std::to_string(i), i + 1 == all.size() ? shape.out : middle,
                         i == 0 ? shape.in : middle, all[i]);
}

Variable ResidualConvolutionBlock::forward(Tape& tape, const PackedInput& input, const Variable& hidden,
                                           const TokenSelection& selection, std::uint32_t /*dropout_place*/) const {
  const std::int64_t images = input.sequences();
  ImageExtent map = sizes_->above(stage_ - 1, extent_of_images(input));
  Variable residual = hidden;
  if (shortcut_) residual = shortcut_->norm(tape, shortcut_->convolution(tape, hidden, images, map));
  Variable x = hidden;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const NormedConvolution& layer = layers_[i];
    x = layer.convolution(tape, x, images, map);
    x = layer.norm(tape, x, activation_, i + 1 == layers_.size() ? residual : Variable());
    map = layer.convolution.window().extent(map);
  }
  return selection.defined() ? gather_rows(tape, x, selection.rows) : x;
}

}  // namespace temper
