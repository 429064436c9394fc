// BERT (Devlin, Chang, Lee, Toutanova: "BERT: pre-training of deep bidirectional transformers", 2019), with the heads
// of transformers' BertForSequenceClassification, BertForTokenClassification and BertForMaskedLM.
#include "model/activation_names.h"
#include "model/architectures/post_norm_encoder.h"

namespace temper {
namespace {

PostNormEncoder read_bert(const ConfigKeys& keys) {
  PostNormEncoder bert = read_bert_keys(keys, {.vocabulary = 30522, .pad_token_id = 0});
  bert.prefix = "bert.";
  bert.sequence_head = {.dense = "bert.pooler.dense", .classifier = "classifier"};
  bert.masked_lm_head = {"cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm",
                         "cls.predictions.bias", "cls.predictions.decoder"};
  bert.masked_lm_activation = parse_activation(bert.activation);
  // Tied to the bias of the decoder, some files have it under that name alone.
  bert.alternatives = {{"predictions.bias", "predictions.decoder.bias"}};
  return bert;
}

ModelSizes sizes_of_bert(const ConfigKeys& keys) { return sizes_of(read_bert(keys)); }
ModelParts make_bert(const ConfigKeys& keys, const HeadRequest& request) {
  return make_parts(read_bert(keys), request);
}

}  // namespace

Architecture bert_architecture() { return {"bert", "Bert", "encoder.layer.", sizes_of_bert, make_bert}; }

}  // namespace temper
