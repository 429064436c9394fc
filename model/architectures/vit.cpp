// ViT (Dosovitskiy et al.: "An image is worth 16x16 words: transformers for image recognition at scale", 2021).
#include "model/architectures/vision_transformer.h"

namespace temper {
namespace {

VisionTransformer read_vit(const ConfigKeys& keys) {
  VisionTransformer vit = read_vision_transformer(keys, 16, 1e-12F);
  vit.model_type = "vit";
  vit.prefix = "vit.";
  vit.names = {"layernorm_before", "layernorm_after", "intermediate.dense", "output.dense"};
  vit.intermediate_width = keys.size("intermediate_size", 3072);
  vit.block_dropout = vit.embeddings.dropout;
  vit.embeddings.one_size = true;
  return vit;
}

ModelSizes sizes_of_vit(const ConfigKeys& keys) { return sizes_of_vision_transformer(read_vit(keys)); }

ModelParts make_vit(const ConfigKeys& keys, const HeadRequest& request) {
  return make_vision_transformer(read_vit(keys), request);
}

}  // namespace

Architecture vit_architecture() { return {"vit", "ViT", "encoder.layer.", sizes_of_vit, make_vit, {}, kImageHeads}; }

}  // namespace temper
