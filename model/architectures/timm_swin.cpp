// Swin as timm has it. Its files have the merging of places before the stage that reads them; older ones behind the
// stage before, as transformers does, and the classifier without "fc".
#include <nlohmann/json.hpp>

#include <fmt/format.h>

#include "base/error.h"
#include "model/architectures/map_keys.h"
#include "model/architectures/timm_keys.h"
#include "model/layers/window_attention.h"

namespace temper {

Architecture swin_architecture();

namespace {

struct SwinRow {
  std::string_view name;
  std::int64_t width;
  std::int64_t third_stage;  ///< blocks; the other stages have 2 each
  std::int64_t heads;        ///< of the first stage, and then twice as many in each
  std::int64_t window = 7;
};

constexpr SwinRow kSwinRows[] = {
    {"swin_tiny_patch4_window7_224", 96, 6, 3},    {"swin_small_patch4_window7_224", 96, 18, 3},
    {"swin_base_patch4_window7_224", 128, 18, 4},  {"swin_base_patch4_window12_384", 128, 18, 4, 12},
    {"swin_large_patch4_window7_224", 192, 18, 6}, {"swin_large_patch4_window12_384", 192, 18, 6, 12},
};

/// What transformers' configuration would say.
ConfigKeys swin_of_transformers(const ConfigKeys& keys) {
  const SwinRow& row = timm_row(kSwinRows, keys);
  const ConfigKeys arguments = timm_arguments(
      keys, {"patch_size", "embed_dim", "depths", "num_heads", "window_size", "mlp_ratio", "qkv_bias"}, "avg");
  const std::vector<std::int64_t> depths = read_counts(arguments, "depths", {2, 2, row.third_stage, 2});
  std::vector<std::int64_t> heads;
  for (std::size_t stage = 0; stage < depths.size(); ++stage) heads.push_back(row.heads << stage);
  return keys.within("", {{"image_size", timm_extent(keys, arguments)},
                          {"num_channels", timm_channels(keys, arguments)},
                          {"patch_size", arguments.size("patch_size", 4)},
                          {"embed_dim", arguments.size("embed_dim", row.width)},
                          {"depths", depths},
                          {"num_heads", read_counts(arguments, "num_heads", heads, depths.size())},
                          {"window_size", arguments.integer("window_size", row.window, 1, 64)},
                          {"mlp_ratio", timm_ratio(arguments, "mlp_ratio", 4.0)},
                          {"qkv_bias", arguments.flag("qkv_bias", true)},
                          {"drop_path_rate", arguments.real("drop_path_rate", 0.1F, 0.0F, 1.0F)}});
}

/// Where windows do not fill a grid, or a grid no window, timm pads and cuts otherwise than transformers.
ModelSizes sizes_of_timm_swin(const ConfigKeys& keys) {
  const ConfigKeys swin = swin_of_transformers(keys);
  ModelSizes sizes = swin_architecture().sizes(swin);
  const std::int64_t window = swin.integer("window_size", 0, 1, 64);
  const std::int64_t patch = swin.size("patch_size", 0);
  const auto stages = static_cast<std::int64_t>(swin.find("depths")->size());
  const auto require_windows = [=](ImageExtent image) {
    for (std::int64_t stage = 0; stage < stages; ++stage) {
      const ImageExtent grid = StageGrid{{patch, patch}, stage}.of(image.height, image.width);
      if (grid.height % window != 0 || grid.width % window != 0)
        throw Error(
            "stage {} of the model has {} x {} places of an image of {} x {} pixels, and both must be multiples of {}, "
            "the size of the model's windows",
            stage + 1, grid.height, grid.width, image.height, image.width, window);
    }
  };
  sizes.images.tokens = [require_windows, tokens = sizes.images.tokens](ImageExtent image) {
    const std::int64_t count = tokens(image);
    require_windows(image);
    return count;
  };
  return sizes;
}

WeightNames names_of_timm_swin(const ConfigKeys& swin, const std::string& prefix) {
  WeightNames names;
  names.prefix = prefix;
  names.unread = {"attn.relative_position_index", "attn_mask"};
  add_timm_module(names, prefix + "embeddings.patch_embeddings.projection", "patch_embed.proj");
  add_timm_module(names, prefix + "embeddings.norm", "patch_embed.norm");
  const std::vector<std::int64_t> depths = read_counts(swin, "depths", {});
  std::int64_t width = swin.size("embed_dim", 0);
  for (std::size_t stage = 0; stage < depths.size(); ++stage, width *= 2) {
    const std::string ours = fmt::format("{}encoder.layers.{}.", prefix, stage);
    for (std::int64_t block = 0; block < depths[stage]; ++block) {
      const std::string of_block = fmt::format("{}blocks.{}.", ours, block);
      const std::string attention = of_block + "attention.self.";
      const std::string theirs = fmt::format("layers.{}.blocks.{}.", stage, block);
      add_timm_module(names, of_block + "layernorm_before", theirs + "norm1");
      add_timm_joined(names, {attention + "query", attention + "key", attention + "value"}, theirs + "attn.qkv", width);
      names.rules.push_back({attention + "relative_position_bias_table", theirs + "attn.relative_position_bias_table"});
      add_timm_module(names, of_block + "attention.output.dense", theirs + "attn.proj");
      add_timm_module(names, of_block + "layernorm_after", theirs + "norm2");
      add_timm_module(names, of_block + "intermediate.dense", theirs + "mlp.fc1");
      add_timm_module(names, of_block + "output.dense", theirs + "mlp.fc2");
    }
    for (const char* parameter : {"norm.weight", "norm.bias", "reduction.weight"}) {
      const std::string merging = fmt::format("layers.{}.downsample.{}", stage + 1, parameter);
      names.rules.push_back({fmt::format("{}downsample.{}", ours, parameter), merging});
      names.alternatives.push_back({merging, fmt::format("layers.{}.downsample.{}", stage, parameter)});
    }
  }
  add_timm_module(names, prefix + "layernorm", "norm");
  for (const char* parameter : {"weight", "bias"}) {
    names.rules.push_back({fmt::format("classifier.{}", parameter), fmt::format("head.fc.{}", parameter)});
    names.alternatives.push_back({fmt::format("head.fc.{}", parameter), fmt::format("head.{}", parameter)});
  }
  return names;
}

ModelParts make_timm_swin(const ConfigKeys& keys, const HeadRequest& request) {
  const ConfigKeys swin = swin_of_transformers(keys);
  ModelParts parts = swin_architecture().make(swin, request);
  parts.names = names_of_timm_swin(swin, parts.names.prefix);
  parts.definition = "timm " + parts.definition;
  return parts;
}

}  // namespace

Architecture timm_swin_architecture() {
  return {.model_type = "timm-swin",
          .class_prefix = "TimmSwin",
          .layers = "encoder.layers.",
          .sizes = sizes_of_timm_swin,
          .make = make_timm_swin,
          .heads = kImageHeads,
          .timm_names = [] { return timm_names(kSwinRows); }};
}

}  // namespace temper
