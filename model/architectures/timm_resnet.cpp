// ResNet as timm has it, without what its variants change: the stem of several convolutions, means before shortcuts,
// groups and other widths of bottlenecks, squeeze and excitation, anti-aliasing.
#include <nlohmann/json.hpp>

#include <fmt/format.h>

#include "model/architectures/map_keys.h"
#include "model/architectures/timm_keys.h"

namespace temper {

Architecture resnet_architecture();

namespace {

constexpr std::size_t kResNetStages = 4;

struct ResNetRow {
  std::string_view name;
  std::int64_t layers[kResNetStages];
  bool is_bottleneck = true;
};

constexpr ResNetRow kResNetRows[] = {
    {"resnet18", {2, 2, 2, 2}, false}, {"resnet34", {3, 4, 6, 3}, false}, {"resnet26", {2, 2, 2, 2}},
    {"resnet50", {3, 4, 6, 3}},        {"resnet101", {3, 4, 23, 3}},      {"resnet152", {3, 8, 36, 3}},
    {"resnet200", {3, 24, 36, 3}},
};

/// What transformers' configuration would say.
ConfigKeys resnet_of_transformers(const ConfigKeys& keys) {
  const ResNetRow& row = timm_row(kResNetRows, keys);
  const ConfigKeys arguments = timm_arguments(keys, {"layers", "channels"}, "avg");
  const std::vector<std::int64_t> layers =
      read_counts(arguments, "layers", {std::begin(row.layers), std::end(row.layers)}, kResNetStages);
  std::vector<std::int64_t> widths = read_counts(arguments, "channels", {64, 128, 256, 512}, layers.size());
  if (row.is_bottleneck)
    for (std::int64_t& width : widths) width *= 4;
  return keys.within("", {{"num_channels", timm_channels(keys, arguments)},
                          {"embedding_size", 64},
                          {"hidden_sizes", widths},
                          {"depths", layers},
                          {"layer_type", row.is_bottleneck ? "bottleneck" : "basic"},
                          {"hidden_act", "relu"}});
}

void add_normed(WeightNames& names, const std::string& ours, const std::string& convolution, const std::string& norm) {
  add_timm_module(names, ours + ".convolution", convolution, {"weight"});
  add_timm_module(names, ours + ".normalization", norm,
                  {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"});
}

WeightNames names_of_timm_resnet(const ConfigKeys& resnet, const std::string& prefix) {
  WeightNames names;
  names.prefix = prefix;
  add_normed(names, prefix + "embedder.embedder", "conv1", "bn1");
  const std::vector<std::int64_t> depths = read_counts(resnet, "depths", {});
  const int convolutions = resnet.text("layer_type", "") == "basic" ? 2 : 3;
  for (std::size_t stage = 0; stage < depths.size(); ++stage)
    for (std::int64_t layer = 0; layer < depths[stage]; ++layer) {
      const std::string ours = fmt::format("{}encoder.stages.{}.layers.{}.", prefix, stage, layer);
      const std::string theirs = fmt::format("layer{}.{}.", stage + 1, layer);
      for (int i = 0; i < convolutions; ++i)
        add_normed(names, fmt::format("{}layer.{}", ours, i), fmt::format("{}conv{}", theirs, i + 1),
                   fmt::format("{}bn{}", theirs, i + 1));
      add_normed(names, ours + "shortcut", theirs + "downsample.0", theirs + "downsample.1");
    }
  add_timm_module(names, "classifier.1", "fc");
  return names;
}

ModelSizes sizes_of_timm_resnet(const ConfigKeys& keys) {
  return resnet_architecture().sizes(resnet_of_transformers(keys));
}

ModelParts make_timm_resnet(const ConfigKeys& keys, const HeadRequest& request) {
  const ConfigKeys resnet = resnet_of_transformers(keys);
  ModelParts parts = resnet_architecture().make(resnet, request);
  parts.names = names_of_timm_resnet(resnet, parts.names.prefix);
  return parts;
}

}  // namespace

Architecture timm_resnet_architecture() {
  return {.model_type = "timm-resnet",
          .class_prefix = "TimmResNet",
          .layers = "encoder.stages.",
          .sizes = sizes_of_timm_resnet,
          .make = make_timm_resnet,
          .heads = kImageHeads,
          .timm_names = [] { return timm_names(kResNetRows); }};
}

}  // namespace temper
