// DINOv2 (Oquab et al.: "DINOv2: learning robust visual features without supervision", 2023), and the same with
// registers (Darcet et al.: "Vision transformers need registers", 2023): ViT with layer scale, in its largest size with
// gated units, and a classifier that reads the mean of the patches beside the class token.
#include "model/architectures/vision_transformer.h"

namespace temper {
namespace {

/// Of a gated unit two thirds of the width, in whole vectors of eight.
std::int64_t gated_width(std::int64_t width) {
  return (static_cast<std::int64_t>(static_cast<double>(width) * 2.0 / 3.0) + 7) / 8 * 8;
}

VisionTransformer read_family(const ConfigKeys& keys, std::int64_t patch) {
  VisionTransformer model = read_vision_transformer(keys, patch, 1e-6F);
  model.names = {"norm1", "norm2", "mlp.fc1", "mlp.fc2"};
  model.intermediate_width = model.embeddings.width * keys.integer("mlp_ratio", 4, 1, 1'024);
  if (keys.flag("use_swiglu_ffn", false)) {
    model.gated = true;
    model.names.up = "mlp.weights_in";
    model.names.down = "mlp.weights_out";
    model.activation = "silu";
    model.intermediate_width = gated_width(model.intermediate_width);
  }
  model.layer_scale = true;
  model.layer_scale_value = keys.real("layerscale_value", 1.0F, -1e6F, 1e6F);
  model.drop_path = keys.real("drop_path_rate", 0.0F, 0.0F, 1.0F);
  model.pooling = ImagePooling::first_and_patches;
  return model;
}

VisionTransformer read_dinov2(const ConfigKeys& keys) {
  VisionTransformer model = read_family(keys, 14);
  model.model_type = "dinov2";
  model.prefix = "dinov2.";
  model.embeddings.mask_token = keys.flag("use_mask_token", true);
  return model;
}

VisionTransformer read_dinov2_with_registers(const ConfigKeys& keys) {
  VisionTransformer model = read_family(keys, 16);
  model.model_type = "dinov2_with_registers";
  model.prefix = "dinov2_with_registers.";
  model.embeddings.mask_token = true;
  model.embeddings.registers = keys.integer("num_register_tokens", 4, 0, 1'024);
  model.embeddings.resampling = Resampling::antialiased_bicubic;
  return model;
}

template <VisionTransformer (*read)(const ConfigKeys&)>
ModelSizes sizes_by(const ConfigKeys& keys) {
  return sizes_of_vision_transformer(read(keys));
}

template <VisionTransformer (*read)(const ConfigKeys&)>
ModelParts make_by(const ConfigKeys& keys, const HeadRequest& request) {
  return make_vision_transformer(read(keys), request);
}

}  // namespace

Architecture dinov2_architecture() {
  return {"dinov2", "Dinov2", "encoder.layer.", sizes_by<read_dinov2>, make_by<read_dinov2>, {}, kImageHeads};
}

Architecture dinov2_with_registers_architecture() {
  return {"dinov2_with_registers",
          "Dinov2WithRegisters",
          "encoder.layer.",
          sizes_by<read_dinov2_with_registers>,
          make_by<read_dinov2_with_registers>,
          {},
          kImageHeads};
}

}  // namespace temper
