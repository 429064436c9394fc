// BERT (Devlin, Chang, Lee, Toutanova: "BERT: pre-training of deep bidirectional transformers", 2019), with the heads
// of transformers' BertForSequenceClassification, BertForTokenClassification and BertForMaskedLM.
#include "model/activation_names.h"
#include "model/registry.h"

namespace temper {

EncoderArchitecture bert_architecture(const ModelConfig& config) {
  EncoderArchitecture bert;
  bert.class_prefix = "Bert";
  bert.prefix = "bert.";
  bert.word_embeddings = "embeddings.word_embeddings";
  bert.position_embeddings = "embeddings.position_embeddings";
  bert.type_embeddings = "embeddings.token_type_embeddings";
  bert.embedding_norm = "embeddings.LayerNorm";
  bert.layers = "encoder.layer.";
  bert.layer.query = "attention.self.query";
  bert.layer.key = "attention.self.key";
  bert.layer.value = "attention.self.value";
  bert.layer.attention_output = "attention.output.dense";
  bert.layer.attention_norm = "attention.output.LayerNorm";
  bert.layer.up = "intermediate.dense";
  bert.layer.down = "output.dense";
  bert.layer.output_norm = "output.LayerNorm";
  bert.sequence_head = {"bert.pooler.dense", Activation::tanh, "classifier", false};
  bert.token_head_dropout = config.classifier_dropout;
  bert.masked_head = {"cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm", "cls.predictions.bias"};
  bert.masked_head_activation = parse_activation(config.activation);
  return bert;
}

}  // namespace temper
