// RoBERTa (Liu et al.: "RoBERTa: a robustly optimized BERT pretraining approach", 2019): BERT's encoder under another
// name, position ids that begin behind the padding index, and a classifier with a dense layer of its own.
#include "model/architectures/post_norm_encoder.h"

namespace temper {
namespace {

PostNormEncoder read_roberta(const ConfigKeys& keys) { return read_roberta_keys(keys, 50265); }

ModelSizes sizes_of_roberta(const ConfigKeys& keys) { return sizes_of(read_roberta(keys)); }
ModelParts make_roberta(const ConfigKeys& keys, const HeadRequest& request) {
  return make_parts(read_roberta(keys), request);
}

}  // namespace

Architecture roberta_architecture() { return {"roberta", "Roberta", "encoder.layer.", sizes_of_roberta, make_roberta}; }

}  // namespace temper
