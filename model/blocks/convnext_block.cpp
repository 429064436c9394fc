#include "model/blocks/convnext_block.h"

#include <utility>

#include "tensor/ops/image_rows.h"

namespace temper {
namespace {

constexpr SquareWindow kHalving{.side = 2, .stride = 2};
constexpr SquareWindow kAround{.side = 7, .padding = 3};
constexpr float kEpsilon = 1e-6F;
constexpr std::int64_t kWidening = 4;

}  // namespace

std::vector<SquareWindow> ConvNextBlock::windows(const ConvNextShape& shape) {
  if (shape.halves) return {kHalving, kAround};
  return {kAround};
}

ConvNextBlock::ConvNextBlock(const ParameterPlace& stage_place, const ParameterPlace& place, const ConvNextShape& shape,
                             std::shared_ptr<const MapSizes> sizes)
    : stage_(place.stage),
      shape_(shape),
      sizes_(std::move(sizes)),
      norm_before_halving_(
          shape.halves ? std::optional<LayerNorm>(LayerNorm(stage_place, "downsampling_layer.0", shape.in, kEpsilon))
                       : std::nullopt),
      halving_(shape.halves ? std::optional<Convolution>(Convolution(stage_place, "downsampling_layer.1", shape.out,
                                                                     shape.in, kHalving, Convolution::Bias::zeros))
                            : std::nullopt),
      kernels_(place.within("dwconv").add_kernel(
          "weight", shape.out, 1, {.height = kAround.side, .width = kAround.side, .is_depthwise = true})),
      kernel_bias_(place.within("dwconv").add("bias", {shape.out}, Initialization::zeros())),
      norm_(place, "layernorm", shape.out, kEpsilon),
      wide_(place, "pwconv1", kWidening * shape.out, shape.out),
      narrow_(place, "pwconv2", shape.out, kWidening * shape.out) {
  wide_.belongs_to(ModulePart::feed_forward);
  narrow_.belongs_to(ModulePart::feed_forward);
  if (shape.layer_scale > 0.0F)
    factors_ = place.add("layer_scale_parameter", {shape.out}, {Distribution::ones, shape.layer_scale});
}

Variable ConvNextBlock::forward(Tape& tape, const PackedInput& input, const Variable& hidden,
                                const TokenSelection& selection, std::uint32_t dropout_place) const {
  const std::int64_t images = input.sequences();
  ImageExtent map = sizes_->above(stage_ - 1, extent_of_images(input));
  Variable stream = hidden;
  if (halving_) {
    stream = (*halving_)(tape, (*norm_before_halving_)(tape, hidden), images, map);
    map = kHalving.extent(map);
  }
  Variable x = depthwise_convolution(tape, stream, kernels_, kernel_bias_, kAround.over(images, map));
  x = narrow_(tape, wide_(tape, norm_(tape, x), shape_.activation));
  if (factors_.defined()) x = scale_columns(tape, x, factors_);
  x = add(tape, drop_images(tape, x, input.examples, tape.dropout(shape_.drop_path, dropout_place)), stream);
  return selection.defined() ? gather_rows(tape, x, selection.rows) : x;
}

}  // namespace temper
