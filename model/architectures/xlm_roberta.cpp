// XLM-RoBERTa (Conneau et al.: "Unsupervised cross-lingual representation learning at scale", 2020): RoBERTa, its names
// included, over the words of a hundred languages.
#include "model/architectures/post_norm_encoder.h"

namespace temper {
namespace {

PostNormEncoder read_xlm_roberta(const ConfigKeys& keys) { return read_roberta_keys(keys, 30522); }

ModelSizes sizes_of_xlm_roberta(const ConfigKeys& keys) { return sizes_of(read_xlm_roberta(keys)); }
ModelParts make_xlm_roberta(const ConfigKeys& keys, const HeadRequest& request) {
  return make_parts(read_xlm_roberta(keys), request);
}

}  // namespace

Architecture xlm_roberta_architecture() {
  return {"xlm-roberta", "XLMRoberta", "encoder.layer.", sizes_of_xlm_roberta, make_xlm_roberta};
}

}  // namespace temper
