// Swin (Liu et al.: "Swin transformer: hierarchical vision transformer using shifted windows", 2021): stages of blocks
// with attention in windows, between which four places become one of twice the width.
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "model/activation_names.h"
#include "model/architectures/architecture.h"
#include "model/architectures/image_keys.h"
#include "model/blocks/merging_block.h"
#include "model/blocks/pre_norm_block.h"
#include "model/heads/image_head.h"
#include "model/layers/feed_forward.h"
#include "model/layers/normed_patches.h"

namespace temper {
namespace {

struct Swin {
  NormedPatchesShape embeddings{};
  ImageExtent image;
  std::vector<std::int64_t> depths;  ///< blocks of each stage
  std::vector<std::int64_t> heads;   ///< of each stage
  std::int64_t window = 0;
  double mlp_ratio = 0.0;
  bool query_bias = true;
  std::string activation;
  float epsilon = 0.0F;
  float initializer_range = 0.0F;
  double drop_path = 0.0;  ///< of the last block; those before it have less, the first nothing

  [[nodiscard]] std::int64_t layers() const { return std::accumulate(depths.begin(), depths.end(), std::int64_t{0}); }
  [[nodiscard]] std::int64_t width(std::size_t stage) const { return embeddings.width << stage; }
  [[nodiscard]] std::int64_t intermediate_width(std::size_t stage) const {
    return static_cast<std::int64_t>(mlp_ratio * static_cast<double>(width(stage)));
  }
  [[nodiscard]] StageGrid grid(std::size_t stage) const { return {embeddings.patch, static_cast<std::int64_t>(stage)}; }
};

constexpr std::int64_t kMostStages = 8;

/// A number for each stage.
std::vector<std::int64_t> read_stages(const ConfigKeys& keys, const ConfigKey& key,
                                      std::vector<std::int64_t> otherwise) {
  const nlohmann::ordered_json* value = keys.find(key);
  if (value == nullptr) return otherwise;
  std::vector<std::int64_t> numbers;
  const std::string expected = fmt::format("a list of 1 to {} whole numbers from 1 to 1000", kMostStages);
  if (!value->is_array() || value->empty() || value->size() > kMostStages) keys.refuse(key, expected);
  for (const nlohmann::ordered_json& number : *value) {
    if (!number.is_number_integer() || number.get<std::int64_t>() < 1 || number.get<std::int64_t>() > 1000)
      keys.refuse(key, expected);
    numbers.push_back(number.get<std::int64_t>());
  }
  return numbers;
}

/// Dropout draws by the token of the last hidden state that a row is, and rows between stages are none.
void refuse_dropout(const ConfigKeys& keys, const ConfigKey& key) {
  if (keys.dropout(key, 0.0F) > 0.0F)
    keys.refuse(key, "0: Swin is trained with drop_path_rate, and dropout of its elements is not supported");
}

Swin read_swin(const ConfigKeys& keys) {
  Swin swin;
  swin.image = read_extent(keys, "image_size", 224);
  NormedPatchesShape& embeddings = swin.embeddings;
  embeddings.channels = read_channels(keys);
  embeddings.patch = read_extent(keys, "patch_size", 4);
  embeddings.width = keys.integer("embed_dim", 96, 1, 1 << 20);
  embeddings.grid = {swin.image.height / embeddings.patch.height, swin.image.width / embeddings.patch.width};
  if (embeddings.grid.pixels() == 0)
    keys.refuse("patch_size", fmt::format("patches that fit into images of {} x {}, as \"image_size\" has them",
                                          swin.image.height, swin.image.width));
  embeddings.positions = keys.flag("use_absolute_embeddings", false);
  swin.depths = read_stages(keys, "depths", {2, 2, 6, 2});
  constexpr ConfigKey kHeads{"num_heads", "num_attention_heads"};
  swin.heads = read_stages(keys, kHeads, {3, 6, 12, 24});
  if (swin.heads.size() != swin.depths.size())
    throw Error(
        "{}: \"num_heads\" has {} numbers, expected one for each of the {} stages of \"depths\"; correct the file, or "
        "download it again",
        keys.path(), swin.heads.size(), swin.depths.size());
  for (std::size_t stage = 0; stage < swin.heads.size(); ++stage)
    if (swin.width(stage) % swin.heads[stage] != 0)
      keys.refuse(kHeads, fmt::format("heads that divide the width of each stage, of stage {} {}", stage + 1,
                                      swin.width(stage)));
  swin.window = keys.integer("window_size", 7, 1, 64);
  swin.mlp_ratio = keys.real("mlp_ratio", 4.0F, 0.01F, 1000.0F);
  swin.query_bias = keys.flag("qkv_bias", true);
  swin.activation = read_activation(keys, "hidden_act", "gelu");
  swin.epsilon = keys.real("layer_norm_eps", 1e-5F, 0.0F, 1.0F);
  swin.initializer_range = keys.real("initializer_range", 0.02F, 0.0F, 100.0F);
  refuse_dropout(keys, "hidden_dropout_prob");
  refuse_dropout(keys, "attention_probs_dropout_prob");
  swin.drop_path = keys.real("drop_path_rate", 0.1F, 0.0F, 1.0F);
  return swin;
}

ModelSizes sizes_of_swin(const ConfigKeys& keys) {
  const Swin swin = read_swin(keys);
  const std::size_t last = swin.depths.size() - 1;
  const auto places = [patch = swin.embeddings.patch, grid = swin.grid(last)](ImageExtent image) {
    (void)patches_of(image, patch);
    return grid.of(image.height, image.width);
  };
  const auto tokens = [places](ImageExtent image) { return places(image).pixels(); };
  return {.width = swin.width(last),
          .layers = swin.layers(),
          .heads = swin.heads.back(),
          .intermediate_width = swin.intermediate_width(last),
          .images = {swin.embeddings.channels, swin.image, tokens, 0, places}};
}

/// `number`: of the block among all.
std::unique_ptr<const Block> swin_block(const Swin& swin, std::size_t stage, std::int64_t block, std::int64_t number,
                                        const ParameterPlace& place) {
  const std::int64_t width = swin.width(stage);
  PreNormParts parts;
  parts.attention_norm.emplace(place, "layernorm_before", width, swin.epsilon);
  parts.attention = std::make_unique<WindowAttention>(
      place,
      WindowAttentionNames{"attention.self.query", "attention.self.key", "attention.self.value",
                           "attention.self.relative_position_bias_table", "attention.output.dense"},
      WindowAttentionShape{.width = width,
                           .heads = swin.heads[stage],
                           .window = swin.window,
                           .shifted = block % 2 == 1,
                           .input_bias = swin.query_bias ? Linear::Bias::zeros : Linear::Bias::none,
                           .grid = swin.grid(stage)});
  parts.feed_forward_norm.emplace(place, "layernorm_after", width, swin.epsilon);
  parts.feed_forward = std::make_unique<FeedForward>(
      place, FeedForwardNames{"intermediate.dense", "output.dense"},
      FeedForwardShape{width, swin.intermediate_width(stage), parse_activation(swin.activation)});
  const auto others = static_cast<double>(std::max<std::int64_t>(swin.layers() - 1, 1));
  return std::make_unique<PreNormBlock>(std::move(parts),
                                        PreNormRates{0.0, 0.0, swin.drop_path * static_cast<double>(number) / others});
}

ModelParts make_swin(const ConfigKeys& keys, const HeadRequest& request) {
  const Swin swin = read_swin(keys);
  const Initialization weights = Initialization::truncated_normal(swin.initializer_range);
  const std::size_t last = swin.depths.size() - 1;
  ModelParts parts;
  parts.width = swin.width(last);
  parts.names.prefix = "swin.";
  parts.names.unread = {"relative_position_index", "embeddings.mask_token"};
  parts.definition =
      fmt::format("swin of patches of {} x {}, stages of {}, heads {}, windows of {}, {}, epsilon {}{}",
                  swin.embeddings.patch.height, swin.embeddings.patch.width, fmt::join(swin.depths, ", "),
                  fmt::join(swin.heads, ", "), swin.window, swin.activation, swin.epsilon,
                  swin.embeddings.positions
                      ? fmt::format(", positions of {} x {}", swin.embeddings.grid.height, swin.embeddings.grid.width)
                      : std::string());
  const auto place_of = [&](std::int64_t stage) {
    return ParameterPlace{parts.parameters, stage, ParameterRole::weight, weights, parts.names.prefix};
  };
  parts.input = std::make_unique<NormedPatches>(place_of(0).within("embeddings"), swin.embeddings);
  std::vector<std::pair<StageGrid, std::int64_t>> above{{swin.grid(0), swin.width(0)}};  // of each stage of the model
  for (std::size_t stage = 0; stage < swin.depths.size(); ++stage) {
    for (std::int64_t block = 0; block < swin.depths[stage]; ++block) {
      const auto number = static_cast<std::int64_t>(parts.blocks.size());
      const ParameterPlace of_stage = place_of(number + 1).within(fmt::format("encoder.layers.{}", stage));
      auto made = swin_block(swin, stage, block, number, of_stage.within(fmt::format("blocks.{}", block)));
      const bool merges = block + 1 == swin.depths[stage] && stage < last;
      if (merges) {
        made = std::make_unique<MergingBlock>(std::move(made), of_stage.within("downsample"), swin.width(stage),
                                              swin.grid(stage));
      }
      parts.blocks.push_back(std::move(made));
      const std::size_t level = merges ? stage + 1 : stage;
      above.emplace_back(swin.grid(level), swin.width(level));
    }
  }
  parts.shape_above = [above](std::int64_t stage, std::int64_t height, std::int64_t width) {
    const auto& [grid, columns] = above[static_cast<std::size_t>(stage)];
    return HiddenShape{grid.of(height, width).pixels(), columns};
  };
  LayerNorm norm(place_of(swin.layers() + 1), "layernorm", swin.width(last), swin.epsilon);
  const ParameterPlace of_head{parts.parameters, swin.layers() + 1, ParameterRole::head, weights};
  parts.head = std::make_unique<ImageHead>(of_head, std::move(norm), "classifier", swin.width(last), request,
                                           ImagePooling::mean);
  return parts;
}

}  // namespace

Architecture swin_architecture() {
  return {"swin", "Swin", "encoder.layers.", sizes_of_swin, make_swin, {}, kImageHeads};
}

}  // namespace temper
