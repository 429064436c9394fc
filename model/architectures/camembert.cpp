// CamemBERT (Martin et al.: "CamemBERT: a tasty French language model", 2020): RoBERTa, its names included, over French
// words.
#include "model/architectures/post_norm_encoder.h"

namespace temper {
namespace {

PostNormEncoder read_camembert(const ConfigKeys& keys) { return read_roberta_keys(keys, 30522); }

ModelSizes sizes_of_camembert(const ConfigKeys& keys) { return sizes_of(read_camembert(keys)); }
ModelParts make_camembert(const ConfigKeys& keys, const HeadRequest& request) {
  return make_parts(read_camembert(keys), request);
}

}  // namespace

Architecture camembert_architecture() {
  return {"camembert", "Camembert", "encoder.layer.", sizes_of_camembert, make_camembert};
}

}  // namespace temper
