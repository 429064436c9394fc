// RoBERTa (Liu et al.: "RoBERTa: a robustly optimized BERT pretraining approach", 2019): BERT's encoder under another
// name, position ids that begin behind the padding index, and a classifier with a dense layer of its own.
#include "model/architectures/post_norm_encoder.h"

namespace temper {
namespace {

PostNormEncoder read_roberta(const ConfigKeys& keys) {
  PostNormEncoder roberta =
      read_bert_keys(keys, {.vocabulary = 50265, .pad_token_id = 1, .positions_follow_padding = true});
  roberta.prefix = "roberta.";
  roberta.sequence_head = {
      .dense = "classifier.dense", .classifier = "classifier.out_proj", .dropout_before_dense = true};
  roberta.masked_lm_head = {"lm_head.dense", "lm_head.layer_norm", "lm_head.bias"};
  // Tied to the bias of the decoder, some files have it under that name alone.
  roberta.alternatives = {{"lm_head.bias", "lm_head.decoder.bias"}};
  return roberta;
}

ModelSizes sizes_of_roberta(const ConfigKeys& keys) { return sizes_of(read_roberta(keys)); }
ModelParts make_roberta(const ConfigKeys& keys, const HeadRequest& request) {
  return make_parts(read_roberta(keys), request);
}

}  // namespace

Architecture roberta_architecture() { return {"roberta", "Roberta", "encoder.layer.", sizes_of_roberta, make_roberta}; }

}  // namespace temper
