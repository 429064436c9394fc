// RoBERTa (Liu et al.: "RoBERTa: a robustly optimized BERT pretraining approach", 2019): BERT's encoder under another
// name, position ids that begin behind the padding index, and a classifier with a dense layer of its own.
#include "model/architectures/registry.h"

namespace temper {

EncoderArchitecture roberta_architecture(const ModelConfig& config) {
  EncoderArchitecture roberta = bert_architecture(config);
  roberta.class_prefix = "Roberta";
  roberta.prefix = "roberta.";
  roberta.position_offset = config.position_offset;
  roberta.sequence_head = {"classifier.dense", Activation::tanh, "classifier.out_proj", true};
  roberta.masked_head = {"lm_head.dense", "lm_head.layer_norm", "lm_head.bias"};
  roberta.masked_head_activation = Activation::gelu;
  return roberta;
}

}  // namespace temper
