// ConvNeXt as timm has it: another epsilon in the last norm, and, in the small ones, linear layers that files have as
// convolutions of one pixel.
#include <nlohmann/json.hpp>

#include <fmt/format.h>

#include "model/architectures/map_keys.h"
#include "model/architectures/timm_keys.h"

namespace temper {

Architecture convnext_architecture();

namespace {

constexpr double kTimmNormEpsilon = 1e-6;

constexpr std::size_t kConvNextStages = 4;
constexpr std::int64_t kConvNextPatch = 4;

struct ConvNextRow {
  std::string_view name;
  std::int64_t depths[kConvNextStages];
  std::int64_t width;  ///< of the first stage, and then twice as many in each
  bool convolutions = false;
};

constexpr ConvNextRow kConvNextRows[] = {
    {"convnext_atto", {2, 2, 6, 2}, 40, true}, {"convnext_femto", {2, 2, 6, 2}, 48, true},
    {"convnext_pico", {2, 2, 6, 2}, 64, true}, {"convnext_nano", {2, 2, 8, 2}, 80, true},
    {"convnext_tiny", {3, 3, 9, 3}, 96},       {"convnext_small", {3, 3, 27, 3}, 96},
    {"convnext_base", {3, 3, 27, 3}, 128},     {"convnext_large", {3, 3, 27, 3}, 192},
    {"convnext_xlarge", {3, 3, 27, 3}, 256},
};

ConfigKeys convnext_arguments(const ConfigKeys& keys) {
  return timm_arguments(keys, {"depths", "dims", "patch_size", "ls_init_value", "conv_mlp"}, "avg");
}

/// What transformers' configuration would say.
ConfigKeys convnext_of_transformers(const ConfigKeys& keys) {
  const ConvNextRow& row = timm_row(kConvNextRows, keys);
  const ConfigKeys arguments = convnext_arguments(keys);
  // Of patches of 2 the first stage halves the map, too.
  if (arguments.size("patch_size", kConvNextPatch) != kConvNextPatch)
    arguments.refuse("patch_size", fmt::format("{}: with other patches timm has other stages", kConvNextPatch));
  const std::vector<std::int64_t> depths =
      read_counts(arguments, "depths", {std::begin(row.depths), std::end(row.depths)}, kConvNextStages);
  std::vector<std::int64_t> widths;
  for (std::size_t stage = 0; stage < depths.size(); ++stage) widths.push_back(row.width << stage);
  const float scale = arguments.is_null("ls_init_value") ? 0.0F : arguments.real("ls_init_value", 1e-6F, 0.0F, 1e6F);
  return keys.within("", {{"num_channels", timm_channels(keys, arguments)},
                          {"image_size", timm_extent(keys, arguments)},
                          {"patch_size", kConvNextPatch},
                          {"num_stages", depths.size()},
                          {"depths", depths},
                          {"hidden_sizes", read_counts(arguments, "dims", widths, depths.size())},
                          {"layer_norm_eps", kTimmNormEpsilon},
                          {"layer_scale_init_value", scale},
                          {"drop_path_rate", arguments.dropout("drop_path_rate", 0.0F)}});
}

WeightNames names_of_timm_convnext(const ConfigKeys& convnext, const std::string& prefix, bool convolutions) {
  WeightNames names;
  names.prefix = prefix;
  add_timm_module(names, prefix + "embeddings.patch_embeddings", "stem.0");
  add_timm_module(names, prefix + "embeddings.layernorm", "stem.1");
  const std::vector<std::int64_t> depths = read_counts(convnext, "depths", {});
  for (std::size_t stage = 0; stage < depths.size(); ++stage) {
    const std::string ours = fmt::format("{}encoder.stages.{}.", prefix, stage);
    for (int i = 0; i < 2; ++i)
      add_timm_module(names, fmt::format("{}downsampling_layer.{}", ours, i),
                      fmt::format("stages.{}.downsample.{}", stage, i));
    for (std::int64_t layer = 0; layer < depths[stage]; ++layer) {
      const std::string of_block = fmt::format("{}layers.{}.", ours, layer);
      const std::string theirs = fmt::format("stages.{}.blocks.{}.", stage, layer);
      add_timm_module(names, of_block + "dwconv", theirs + "conv_dw");
      add_timm_module(names, of_block + "layernorm", theirs + "norm");
      for (const auto& [linear, name] : {std::pair{"pwconv1", "mlp.fc1"}, std::pair{"pwconv2", "mlp.fc2"}}) {
        add_timm_module(names, of_block + linear, theirs + name, {"bias"});
        add_timm_module(names, of_block + linear, theirs + name, {"weight"});
        names.rules.back().of_pixels = convolutions;
      }
      names.rules.push_back({of_block + "layer_scale_parameter", theirs + "gamma"});
    }
  }
  add_timm_module(names, prefix + "layernorm", "head.norm");
  add_timm_module(names, "classifier", "head.fc");
  return names;
}

ModelSizes sizes_of_timm_convnext(const ConfigKeys& keys) {
  return convnext_architecture().sizes(convnext_of_transformers(keys));
}

ModelParts make_timm_convnext(const ConfigKeys& keys, const HeadRequest& request) {
  const ConfigKeys convnext = convnext_of_transformers(keys);
  ModelParts parts = convnext_architecture().make(convnext, request);
  parts.names =
      names_of_timm_convnext(convnext, parts.names.prefix,
                             convnext_arguments(keys).flag("conv_mlp", timm_row(kConvNextRows, keys).convolutions));
  return parts;
}

}  // namespace

Architecture timm_convnext_architecture() {
  return {.model_type = "timm-convnext",
          .class_prefix = "TimmConvNext",
          .layers = "encoder.stages.",
          .sizes = sizes_of_timm_convnext,
          .make = make_timm_convnext,
          .heads = kImageHeads,
          .timm_names = [] { return timm_names(kConvNextRows); }};
}

}  // namespace temper
