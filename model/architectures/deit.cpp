// DeiT (Touvron et al.: "Training data-efficient image transformers & distillation through attention", 2021): ViT with
// a second learnt token, for distillation, beside the class token that the classifier reads. The class of transformers
// that averages over classifiers of both ("...WithTeacher") is for inference alone: its two classifiers are not read.
#include "model/architectures/vision_transformer.h"

namespace temper {
namespace {

VisionTransformer read_deit(const ConfigKeys& keys) {
  VisionTransformer deit = read_vision_transformer(keys, 16, 1e-12F);
  deit.model_type = "deit";
  deit.prefix = "deit.";
  deit.names = {"layernorm_before", "layernorm_after", "intermediate.dense", "output.dense"};
  deit.intermediate_width = keys.size("intermediate_size", 3072);
  deit.block_dropout = deit.embeddings.dropout;
  deit.embeddings.one_size = true;
  deit.embeddings.distillation_token = true;
  return deit;
}

ModelSizes sizes_of_deit(const ConfigKeys& keys) { return sizes_of_vision_transformer(read_deit(keys)); }

ModelParts make_deit(const ConfigKeys& keys, const HeadRequest& request) {
  return make_vision_transformer(read_deit(keys), request);
}

}  // namespace

Architecture deit_architecture() {
  return {"deit", "DeiT", "encoder.layer.", sizes_of_deit, make_deit, {}, kImageHeads};
}

}  // namespace temper
