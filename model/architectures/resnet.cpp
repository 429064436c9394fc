// ResNet (He, Zhang, Ren, Sun: "Deep residual learning for image recognition", 2016), with basic blocks and with
// bottlenecks, whose second convolution strides rather than the first (version 1.5) unless config.json says otherwise;
// with the head of transformers' ResNetForImageClassification.
#include <cmath>
#include <numeric>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "model/activation_names.h"
#include "model/architectures/image_keys.h"
#include "model/architectures/map_keys.h"
#include "model/blocks/residual_convolution_block.h"
#include "model/heads/map_head.h"

namespace temper {
namespace {

constexpr SquareWindow kStem{.side = 7, .stride = 2, .padding = 3};
constexpr SquareWindow kStemPool{.side = 3, .stride = 2, .padding = 1};

struct ResNet {
  std::int64_t channels = 0;
  std::int64_t stem = 0;
  std::string activation;
  std::string layer_type;
  std::vector<std::int64_t> depths;
  std::vector<ResidualShape> blocks;
  std::vector<std::string> names;    ///< of the blocks
  std::vector<std::int64_t> widths;  ///< of the map above each stage of the model
  std::shared_ptr<MapSizes> sizes = std::make_shared<MapSizes>();
};

ResNet read_resnet(const ConfigKeys& keys) {
  ResNet net;
  net.channels = read_channels(keys);
  net.stem = keys.size("embedding_size", 64);
  net.activation = read_activation(keys, "hidden_act", "relu");
  net.layer_type = keys.text("layer_type", "bottleneck");
  if (net.layer_type != "basic" && net.layer_type != "bottleneck")
    keys.refuse("layer_type", "\"basic\" or \"bottleneck\"");
  const std::vector<std::int64_t> widths = read_counts(keys, "hidden_sizes", {256, 512, 1024, 2048});
  net.depths = read_counts(keys, "depths", {3, 4, 6, 3}, widths.size());
  const bool strides_at_first = keys.flag("downsample_in_bottleneck", false);
  const bool first_strides = keys.flag("downsample_in_first_stage", false);
  net.sizes->add_stage({kStem, kStemPool});
  net.widths.push_back(net.stem);
  for (std::size_t stage = 0; stage < widths.size(); ++stage) {
    for (std::int64_t layer = 0; layer < net.depths[stage]; ++layer) {
      ResidualShape shape{.in = net.widths.back(),
                          .out = widths[stage],
                          .stride = layer == 0 && (stage > 0 || first_strides) ? 2 : 1,
                          .is_bottleneck = net.layer_type == "bottleneck",
                          .strides_at_first = strides_at_first,
                          .activation = parse_activation(net.activation)};
      if (shape.is_bottleneck && shape.out < 4) keys.refuse("hidden_sizes", "at least 4 channels of a bottleneck");
      net.sizes->add_stage(ResidualConvolutionBlock::windows(shape));
      net.blocks.push_back(shape);
      net.names.push_back(fmt::format("encoder.stages.{}.layers.{}", stage, layer));
      net.widths.push_back(shape.out);
    }
  }
  return net;
}

/// Seven by seven pixels at a time, and the largest of the neighbours.
class ResNetStem final : public InputLayer {
 public:
  ResNetStem(const ParameterPlace& place, std::int64_t channels, std::int64_t width, Activation activation)
      : layer_(place, "embedder", width, channels, kStem), activation_(activation) {}

  Variable forward(Tape& tape, const PackedInput& input) const override {
    const std::int64_t images = input.sequences();
    const ImageExtent extent = extent_of_images(input);
    const Variable pixels = pixels_as_activations(tape, input);
    const Variable map = layer_.norm(tape, layer_.convolution(tape, pixels, images, extent), activation_);
    return max_pool(tape, map, kStemPool.over(images, kStem.extent(extent)));
  }
  [[nodiscard]] std::uint32_t dropout_places() const override { return 0; }

 private:
  NormedConvolution layer_;
  Activation activation_;
};

ModelSizes sizes_of_resnet(const ConfigKeys& keys) {
  const ResNet net = read_resnet(keys);
  ModelSizes sizes = sizes_of_maps(net.sizes, net.channels, {});
  sizes.width = net.widths.back();
  sizes.layers = static_cast<std::int64_t>(net.blocks.size());
  return sizes;
}

ModelParts make_resnet(const ConfigKeys& keys, const HeadRequest& request) {
  const ResNet net = read_resnet(keys);
  ModelParts parts;
  parts.width = net.widths.back();
  parts.shape_above = shape_of_maps(net.sizes, net.widths);
  parts.names.prefix = "resnet.";
  parts.definition =
      fmt::format("resnet of {} blocks, {}, {}", net.layer_type, fmt::join(net.depths, "-"), net.activation);
  for (const ResidualShape& block : net.blocks)
    parts.definition += fmt::format(" {}{}", block.stride, block.strides_at_first ? "f" : "");
  ParameterPlace place{parts.parameters, 0, ParameterRole::weight, Initialization::zeros(), parts.names.prefix};
  parts.input =
      std::make_unique<ResNetStem>(place.within("embedder"), net.channels, net.stem, parse_activation(net.activation));
  for (std::size_t i = 0; i < net.blocks.size(); ++i) {
    place.stage = static_cast<std::int64_t>(i) + 1;
    parts.blocks.push_back(
        std::make_shared<ResidualConvolutionBlock>(place.within(net.names[i]), net.blocks[i], net.sizes));
  }
  // As torch draws a linear layer: uniform within 1 / sqrt(fan_in).
  const ParameterPlace of_head{parts.parameters, static_cast<std::int64_t>(net.blocks.size()) + 1, ParameterRole::head,
                               Initialization::kaiming_uniform(1.0F / std::sqrt(3.0F))};
  parts.head = std::make_unique<MapHead>(of_head, std::nullopt, "classifier.1", parts.width, request);
  return parts;
}

}  // namespace

Architecture resnet_architecture() {
  return {.model_type = "resnet",
          .class_prefix = "ResNet",
          .layers = "encoder.stages.",
          .sizes = sizes_of_resnet,
          .make = make_resnet,
          .heads = kImageHeads};
}

}  // namespace temper
