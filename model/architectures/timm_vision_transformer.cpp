// Vision transformers as timm has them: ViT, DeiT with and without the token for distillation, DeiT III, and DINOv2
// with and without registers. Beside names and epsilons they differ from those of transformers in what the classifier
// reads: DINOv2's the class token alone, that of a distilled DeiT both of its tokens.
#include <nlohmann/json.hpp>

#include <fmt/format.h>

#include "model/architectures/timm_keys.h"
#include "model/architectures/vision_transformer.h"

namespace temper {
namespace {

constexpr std::int64_t kVitPatch = 16;
constexpr float kVitEpsilon = 1e-6F;

struct VitSize {
  std::int64_t width;
  std::int64_t layers;
  std::int64_t heads;
  double mlp_ratio = 4.0;
};

constexpr VitSize kTiny{192, 12, 3};
constexpr VitSize kSmall{384, 12, 6};
constexpr VitSize kMedium{512, 12, 8};
constexpr VitSize kBase{768, 12, 12};
constexpr VitSize kLarge{1024, 24, 16};
constexpr VitSize kHuge{1280, 32, 16};
constexpr VitSize kGiant{1408, 40, 16, 48.0 / 11.0};
constexpr VitSize kGigantic{1664, 48, 16, 64.0 / 13.0};
constexpr VitSize kGatedGiant{1536, 40, 24, 2.66667 * 2.0};

struct VitRow {
  std::string_view name;
  VitSize size;
  std::int64_t patch = kVitPatch;
  bool distilled = false;
  float layer_scale = 0.0F;  ///< of new ones; 0: there are none
  bool class_position = true;
  std::int64_t registers = 0;
  bool gated = false;
};

constexpr float kScaleOfDino = 1e-5F;
constexpr float kScaleOfDeit3 = 1e-6F;

constexpr VitRow dino_row(std::string_view name, VitSize size, std::int64_t registers = 0, bool gated = false) {
  return {name, size, 14, false, kScaleOfDino, registers == 0, registers, gated};
}
constexpr VitRow deit3_row(std::string_view name, VitSize size, std::int64_t patch = kVitPatch) {
  return {name, size, patch, false, kScaleOfDeit3, false};
}

constexpr VitRow kVitRows[] = {
    {"vit_tiny_patch16_224", kTiny},
    {"vit_tiny_patch16_384", kTiny},
    {"vit_small_patch32_224", kSmall, 32},
    {"vit_small_patch32_384", kSmall, 32},
    {"vit_small_patch16_224", kSmall},
    {"vit_small_patch16_384", kSmall},
    {"vit_small_patch8_224", kSmall, 8},
    {"vit_base_patch32_224", kBase, 32},
    {"vit_base_patch32_384", kBase, 32},
    {"vit_base_patch16_224", kBase},
    {"vit_base_patch16_384", kBase},
    {"vit_base_patch8_224", kBase, 8},
    {"vit_large_patch32_224", kLarge, 32},
    {"vit_large_patch32_384", kLarge, 32},
    {"vit_large_patch16_224", kLarge},
    {"vit_large_patch16_384", kLarge},
    {"vit_large_patch14_224", kLarge, 14},
    {"vit_huge_patch14_224", kHuge, 14},
    {"vit_giant_patch14_224", kGiant, 14},
    {"vit_gigantic_patch14_224", kGigantic, 14},
    dino_row("vit_small_patch14_dinov2", kSmall),
    dino_row("vit_base_patch14_dinov2", kBase),
    dino_row("vit_large_patch14_dinov2", kLarge),
    dino_row("vit_giant_patch14_dinov2", kGatedGiant, 0, true),
    dino_row("vit_small_patch14_reg4_dinov2", kSmall, 4),
    dino_row("vit_base_patch14_reg4_dinov2", kBase, 4),
    dino_row("vit_large_patch14_reg4_dinov2", kLarge, 4),
    dino_row("vit_giant_patch14_reg4_dinov2", kGatedGiant, 4, true),
    {"deit_tiny_patch16_224", kTiny},
    {"deit_small_patch16_224", kSmall},
    {"deit_base_patch16_224", kBase},
    {"deit_base_patch16_384", kBase},
    {"deit_tiny_distilled_patch16_224", kTiny, kVitPatch, true},
    {"deit_small_distilled_patch16_224", kSmall, kVitPatch, true},
    {"deit_base_distilled_patch16_224", kBase, kVitPatch, true},
    {"deit_base_distilled_patch16_384", kBase, kVitPatch, true},
    deit3_row("deit3_small_patch16_224", kSmall),
    deit3_row("deit3_small_patch16_384", kSmall),
    deit3_row("deit3_medium_patch16_224", kMedium),
    deit3_row("deit3_base_patch16_224", kBase),
    deit3_row("deit3_base_patch16_384", kBase),
    deit3_row("deit3_large_patch16_224", kLarge),
    deit3_row("deit3_large_patch16_384", kLarge),
    deit3_row("deit3_huge_patch14_224", kHuge, 14),
};

VisionTransformer read_timm_vit(const ConfigKeys& keys) {
  const VitRow& row = timm_row(kVitRows, keys);
  const ConfigKeys arguments = timm_arguments(
      keys, {"patch_size", "embed_dim", "depth", "num_heads", "mlp_ratio", "qkv_bias", "init_values", "reg_tokens"},
      "token");
  VisionTransformer model =
      read_vision_transformer(keys.within("", {{"image_size", timm_extent(keys, arguments)},
                                               {"num_channels", timm_channels(keys, arguments)},
                                               {"patch_size", arguments.size("patch_size", row.patch)},
                                               {"hidden_size", arguments.size("embed_dim", row.size.width)},
                                               {"num_hidden_layers", arguments.size("depth", row.size.layers)},
                                               {"num_attention_heads", arguments.size("num_heads", row.size.heads)},
                                               {"qkv_bias", arguments.flag("qkv_bias", true)}}),
                              kVitPatch, kVitEpsilon);
  model.model_type = "timm vit";
  model.prefix = "vit.";
  model.names = {"layernorm_before", "layernorm_after", "intermediate.dense", "output.dense"};
  // As Python makes a whole number of it.
  model.intermediate_width = static_cast<std::int64_t>(static_cast<double>(model.embeddings.width) *
                                                       timm_ratio(arguments, "mlp_ratio", row.size.mlp_ratio));
  if (row.gated) {
    model.gated = true;
    model.activation = "silu";
    model.intermediate_width /= 2;
  }
  model.layer_scale_value =
      arguments.is_null("init_values") ? 0.0F : arguments.real("init_values", row.layer_scale, 0.0F, 1e6F);
  model.layer_scale = model.layer_scale_value > 0.0F;
  model.drop_path = arguments.dropout("drop_path_rate", 0.0F);
  model.drop_path_grows = true;
  ImageEmbeddingShape& embeddings = model.embeddings;
  embeddings.distillation_token = row.distilled;
  embeddings.class_position = row.class_position;
  embeddings.registers = arguments.integer("reg_tokens", row.registers, 0, 1'024);
  embeddings.one_size = true;
  embeddings.resampling = Resampling::antialiased_bicubic;
  model.pooling = row.distilled ? ImagePooling::first_two : ImagePooling::first;
  return model;
}

WeightNames names_of_timm_vit(const VisionTransformer& model) {
  WeightNames names;
  names.prefix = model.prefix;
  const std::string embeddings = model.prefix + "embeddings.";
  names.rules = {{embeddings + "cls_token", "cls_token"},
                 {embeddings + "distillation_token", "dist_token"},
                 {embeddings + "register_tokens", "reg_token"},
                 {embeddings + "position_embeddings", "pos_embed"}};
  add_timm_module(names, embeddings + "patch_embeddings.projection", "patch_embed.proj");
  for (std::int64_t layer = 0; layer < model.layers; ++layer) {
    const std::string ours = fmt::format("{}encoder.layer.{}.", model.prefix, layer);
    const std::string theirs = fmt::format("blocks.{}.", layer);
    const std::string attention = ours + "attention.attention.";
    add_timm_module(names, ours + model.names.attention_norm, theirs + "norm1");
    add_timm_joined(names, {attention + "query", attention + "key", attention + "value"}, theirs + "attn.qkv",
                    model.embeddings.width);
    add_timm_module(names, ours + "attention.output.dense", theirs + "attn.proj");
    names.rules.push_back({ours + "layer_scale1.lambda1", theirs + "ls1.gamma"});
    add_timm_module(names, ours + model.names.feed_forward_norm, theirs + "norm2");
    add_timm_module(names, ours + model.names.up, theirs + "mlp.fc1");
    add_timm_module(names, ours + model.names.down, theirs + "mlp.fc2");
    names.rules.push_back({ours + "layer_scale2.lambda1", theirs + "ls2.gamma"});
  }
  add_timm_module(names, model.prefix + "layernorm", "norm");
  add_timm_module(names, "classifier", "head");
  add_timm_module(names, "classifier_distilled", "head_dist");
  return names;
}

ModelSizes sizes_of_timm_vit(const ConfigKeys& keys) { return sizes_of_vision_transformer(read_timm_vit(keys)); }

ModelParts make_timm_vit(const ConfigKeys& keys, const HeadRequest& request) {
  const VisionTransformer model = read_timm_vit(keys);
  ModelParts parts = make_vision_transformer(model, request);
  parts.names = names_of_timm_vit(model);
  return parts;
}

}  // namespace

Architecture timm_vision_transformer_architecture() {
  return {.model_type = "timm-vit",
          .class_prefix = "TimmVit",
          .layers = "encoder.layer.",
          .sizes = sizes_of_timm_vit,
          .make = make_timm_vit,
          .heads = kImageHeads,
          .timm_names = [] { return timm_names(kVitRows); }};
}

}  // namespace temper
