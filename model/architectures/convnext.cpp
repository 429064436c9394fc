// ConvNeXt (Liu, Mao, Wu, Feichtenhofer, Darrell, Xie: "A ConvNet for the 2020s", 2022), with the head of transformers'
// ConvNextForImageClassification.
#include <numeric>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "model/activation_names.h"
#include "model/architectures/image_keys.h"
#include "model/architectures/map_keys.h"
#include "model/blocks/convnext_block.h"
#include "model/heads/map_head.h"

namespace temper {
namespace {

constexpr float kStemEpsilon = 1e-6F;

struct ConvNext {
  std::int64_t channels = 0;
  ImageExtent image;
  SquareWindow stem;
  std::string activation;
  float epsilon = 0.0F;
  float initializer_range = 0.0F;
  std::vector<std::int64_t> depths;
  std::vector<std::int64_t> stages;  ///< of each block, the stage of the net
  std::vector<ConvNextShape> blocks;
  std::vector<std::string> names;    ///< of the blocks
  std::vector<std::int64_t> widths;  ///< of the map above each stage of the model
  std::shared_ptr<MapSizes> sizes = std::make_shared<MapSizes>();
};

ConvNext read_convnext(const ConfigKeys& keys) {
  constexpr float kLargestEpsilon = 1.0F;
  ConvNext net;
  net.channels = read_channels(keys);
  net.image = read_extent(keys, "image_size", 224);
  const ImageExtent patch = read_extent(keys, "patch_size", 4);
  if (patch.height != patch.width) keys.refuse("patch_size", "one number for both sides");
  net.stem = {.side = patch.height, .stride = patch.height};
  net.activation = read_activation(keys, "hidden_act", "gelu");
  net.epsilon = keys.real("layer_norm_eps", 1e-12F, 0.0F, kLargestEpsilon);
  net.initializer_range = keys.real("initializer_range", 0.02F, 0.0F, 10.0F);
  const std::int64_t stages = keys.size({"num_stages", "num_hidden_layers"}, 4);
  const std::vector<std::int64_t> widths =
      read_counts(keys, "hidden_sizes", {96, 192, 384, 768}, static_cast<std::size_t>(stages));
  net.depths = read_counts(keys, "depths", {3, 3, 9, 3}, static_cast<std::size_t>(stages));
  const float layer_scale = keys.real("layer_scale_init_value", 1e-6F, 0.0F, 1e6F);
  const double drop_path = keys.dropout("drop_path_rate", 0.0F);
  const std::int64_t count = std::accumulate(net.depths.begin(), net.depths.end(), std::int64_t{0});
  net.sizes->add_stage({net.stem});
  net.widths.push_back(widths.front());
  for (std::size_t stage = 0; stage < widths.size(); ++stage) {
    for (std::int64_t layer = 0; layer < net.depths[stage]; ++layer) {
      // From no image in the first block to the rate in the last.
      const auto share =
          static_cast<double>(net.blocks.size()) / static_cast<double>(std::max<std::int64_t>(count - 1, 1));
      const ConvNextShape shape{.in = net.widths.back(),
                                .out = widths[stage],
                                .halves = layer == 0 && stage > 0,
                                .layer_scale = layer_scale,
                                .drop_path = drop_path * share,
                                .activation = parse_activation(net.activation)};
      net.sizes->add_stage(ConvNextBlock::windows(shape));
      net.stages.push_back(static_cast<std::int64_t>(stage));
      net.blocks.push_back(shape);
      net.names.push_back(fmt::format("layers.{}", layer));
      net.widths.push_back(shape.out);
    }
  }
  return net;
}

/// Patches of pixels, and their norm.
class ConvNextStem final : public InputLayer {
 public:
  ConvNextStem(const ParameterPlace& place, const ConvNext& net)
      : patches_(place, "patch_embeddings", net.widths.front(), net.channels, net.stem, Convolution::Bias::zeros),
        norm_(place, "layernorm", net.widths.front(), kStemEpsilon) {}

  Variable forward(Tape& tape, const PackedInput& input) const override {
    const Variable pixels = pixels_as_activations(tape, input);
    return norm_(tape, patches_(tape, pixels, input.sequences(), extent_of_images(input)));
  }
  [[nodiscard]] std::uint32_t dropout_places() const override { return 0; }

 private:
  Convolution patches_;
  LayerNorm norm_;
};

ModelSizes sizes_of_convnext(const ConfigKeys& keys) {
  const ConvNext net = read_convnext(keys);
  ModelSizes sizes = sizes_of_maps(net.sizes, net.channels, net.image);
  sizes.width = net.widths.back();
  sizes.layers = static_cast<std::int64_t>(net.blocks.size());
  return sizes;
}

ModelParts make_convnext(const ConfigKeys& keys, const HeadRequest& request) {
  const ConvNext net = read_convnext(keys);
  ModelParts parts;
  parts.width = net.widths.back();
  parts.shape_above = shape_of_maps(net.sizes, net.widths);
  parts.names.prefix = "convnext.";
  parts.definition = fmt::format("convnext of {} blocks, patches of {}, {}, epsilon {}", fmt::join(net.depths, "-"),
                                 net.stem.side, net.activation, net.epsilon);
  const Initialization weights = Initialization::normal(net.initializer_range);
  ParameterPlace place{parts.parameters, 0, ParameterRole::weight, weights, parts.names.prefix};
  parts.input = std::make_unique<ConvNextStem>(place.within("embeddings"), net);
  for (std::size_t i = 0; i < net.blocks.size(); ++i) {
    place.stage = static_cast<std::int64_t>(i) + 1;
    const ParameterPlace of_stage = place.within(fmt::format("encoder.stages.{}", net.stages[i]));
    parts.blocks.push_back(
        std::make_shared<ConvNextBlock>(of_stage, of_stage.within(net.names[i]), net.blocks[i], net.sizes));
  }
  place.stage = static_cast<std::int64_t>(net.blocks.size()) + 1;
  LayerNorm norm(place, "layernorm", parts.width, net.epsilon);
  const ParameterPlace of_head{parts.parameters, place.stage, ParameterRole::head, weights};
  parts.head = std::make_unique<MapHead>(of_head, std::move(norm), "classifier", parts.width, request);
  return parts;
}

}  // namespace

Architecture convnext_architecture() {
  return {.model_type = "convnext",
          .class_prefix = "ConvNext",
          .layers = "encoder.stages.",
          .sizes = sizes_of_convnext,
          .make = make_convnext,
          .heads = kImageHeads};
}

}  // namespace temper
