#include "model/architectures/vision_transformer.h"

#include <algorithm>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "model/activation_names.h"
#include "model/architectures/image_keys.h"
#include "model/blocks/pre_norm_block.h"
#include "model/layers/feed_forward.h"
#include "model/layers/gated_feed_forward.h"
#include "model/layers/self_attention.h"

namespace temper {
namespace {

std::shared_ptr<const Block> vision_block(const VisionTransformer& model, std::int64_t layer,
                                          const ParameterPlace& place) {
  const std::int64_t width = model.embeddings.width;
  const auto scale = [&](std::optional<LayerScale>& to, const char* name) {
    if (model.layer_scale) to.emplace(place, name, width, model.layer_scale_value);
  };
  PreNormParts parts;
  parts.attention_norm.emplace(place, model.names.attention_norm, width, model.epsilon);
  parts.attention = std::make_unique<SelfAttention>(
      place,
      SelfAttentionNames{"attention.attention.query", "attention.attention.key", "attention.attention.value",
                         "attention.output.dense"},
      SelfAttentionShape{.width = width,
                         .heads = model.heads,
                         .dropout = model.attention_dropout,
                         .input_bias = model.query_bias ? Linear::Bias::zeros : Linear::Bias::none});
  scale(parts.attention_scale, "layer_scale1.lambda1");
  parts.feed_forward_norm.emplace(place, model.names.feed_forward_norm, width, model.epsilon);
  if (model.gated) {
    parts.feed_forward = std::make_unique<GatedFeedForward>(
        place, GatedFeedForwardNames{model.names.up, "", model.names.down},
        GatedFeedForwardShape{width, model.intermediate_width, parse_activation(model.activation), Linear::Bias::zeros,
                              0.0, place.weights});
  } else {
    parts.feed_forward = std::make_unique<FeedForward>(
        place, FeedForwardNames{model.names.up, model.names.down},
        FeedForwardShape{width, model.intermediate_width, parse_activation(model.activation)});
  }
  scale(parts.feed_forward_scale, "layer_scale2.lambda1");
  const auto others = static_cast<double>(std::max<std::int64_t>(model.layers - 1, 1));
  const double drop_path = model.drop_path * (model.drop_path_grows ? static_cast<double>(layer) / others : 1.0);
  return std::make_shared<PreNormBlock>(std::move(parts),
                                        PreNormRates{model.block_dropout, model.block_dropout, drop_path});
}

const char* pooling_text(ImagePooling pooling) {
  if (pooling == ImagePooling::first_two) return "the class token and the one for distillation";
  return pooling == ImagePooling::first ? "the class token" : "the class token and the mean of the patches";
}

}  // namespace

VisionTransformer read_vision_transformer(const ConfigKeys& keys, std::int64_t patch, float epsilon) {
  VisionTransformer model;
  model.image = read_extent(keys, "image_size", 224);
  ImageEmbeddingShape& embeddings = model.embeddings;
  embeddings.channels = read_channels(keys);
  embeddings.patch = read_extent(keys, "patch_size", patch);
  embeddings.width = keys.size("hidden_size", 768);
  // As transformers counts positions: what is left over of an image has none.
  embeddings.grid = {model.image.height / embeddings.patch.height, model.image.width / embeddings.patch.width};
  if (embeddings.grid.pixels() == 0)
    keys.refuse("patch_size", fmt::format("patches that fit into images of {} x {}, as \"image_size\" has them",
                                          model.image.height, model.image.width));
  embeddings.dropout = keys.dropout("hidden_dropout_prob", 0.0F);
  model.layers = keys.size("num_hidden_layers", 12);
  model.heads = keys.size("num_attention_heads", 12);
  require_heads_divide(keys, "hidden_size", embeddings.width, "num_attention_heads", model.heads);
  model.activation = read_activation(keys, "hidden_act", "gelu");
  model.epsilon = keys.real("layer_norm_eps", epsilon, 0.0F, 1.0F);
  model.query_bias = keys.flag("qkv_bias", true);
  model.initializer_range = keys.real("initializer_range", 0.02F, 0.0F, 100.0F);
  model.attention_dropout = keys.dropout("attention_probs_dropout_prob", 0.0F);
  return model;
}

ModelSizes sizes_of_vision_transformer(const VisionTransformer& model) {
  const auto tokens = [patch = model.embeddings.patch, first = model.embeddings.first_patch()](ImageExtent image) {
    return first + patches_of(image, patch).pixels();
  };
  return {.width = model.embeddings.width,
          .layers = model.layers,
          .heads = model.heads,
          .intermediate_width = model.intermediate_width,
          .images = {model.embeddings.channels, model.image, tokens, model.embeddings.first_patch(),
                     [patch = model.embeddings.patch](ImageExtent image) { return patches_of(image, patch); },
                     model.pooling == ImagePooling::first_two ? 2 : 1}};
}

ModelParts make_vision_transformer(const VisionTransformer& model, const HeadRequest& request) {
  const Initialization weights = Initialization::truncated_normal(model.initializer_range);
  const ImageEmbeddingShape& embeddings = model.embeddings;
  ModelParts parts;
  parts.width = embeddings.width;
  parts.names.prefix = model.prefix;
  // Of models for other purposes: a pooler, and what pre-training fills gaps with.
  parts.names.unread = {"pooler.dense.weight", "pooler.dense.bias", "embeddings.mask_token"};
  parts.definition =
      fmt::format("{} of patches of {} x {}, positions of {} x {}{}{}, {} heads, {}{}, epsilon {}", model.model_type,
                  embeddings.patch.height, embeddings.patch.width, embeddings.grid.height, embeddings.grid.width,
                  embeddings.class_position ? "" : " of patches alone",
                  embeddings.resampling == Resampling::bicubic ? "" : " resized with antialiasing", model.heads,
                  model.activation, model.gated ? ", gated" : "", model.epsilon);
  const auto place_of = [&](std::int64_t stage) {
    return ParameterPlace{parts.parameters, stage, ParameterRole::weight, weights, parts.names.prefix};
  };
  parts.input = std::make_unique<ImageEmbeddings>(place_of(0).within("embeddings"), embeddings);
  for (std::int64_t layer = 0; layer < model.layers; ++layer)
    parts.blocks.push_back(
        vision_block(model, layer, place_of(layer + 1).within(fmt::format("encoder.layer.{}", layer))));

  // The hidden state above the blocks is what comes before the norm, which reads no more than the head does.
  LayerNorm norm(place_of(model.layers + 1), "layernorm", embeddings.width, model.epsilon);
  const ParameterPlace of_head{parts.parameters, model.layers + 1, ParameterRole::head, weights};
  parts.head = std::make_unique<ImageHead>(of_head, std::move(norm), "classifier", embeddings.width, request,
                                           model.pooling, embeddings.first_patch());
  parts.definition += fmt::format(", read by {}", pooling_text(model.pooling));
  return parts;
}

}  // namespace temper
