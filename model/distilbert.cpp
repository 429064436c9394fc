// DistilBERT (Sanh, Debut, Chaumond, Wolf: "DistilBERT, a distilled version of BERT", 2019): no token types, no pooler,
// no dropout on the attention's output.
#include "model/activation_names.h"
#include "model/registry.h"

namespace temper {

EncoderArchitecture distilbert_architecture(const ModelConfig& config) {
  EncoderArchitecture distilbert;
  distilbert.class_prefix = "DistilBert";
  distilbert.prefix = "distilbert.";
  distilbert.word_embeddings = "embeddings.word_embeddings";
  distilbert.position_embeddings = "embeddings.position_embeddings";
  distilbert.embedding_norm = "embeddings.LayerNorm";
  distilbert.layers = "transformer.layer.";
  distilbert.layer.query = "attention.q_lin";
  distilbert.layer.key = "attention.k_lin";
  distilbert.layer.value = "attention.v_lin";
  distilbert.layer.attention_output = "attention.out_lin";
  distilbert.layer.attention_norm = "sa_layer_norm";
  distilbert.layer.up = "ffn.lin1";
  distilbert.layer.down = "ffn.lin2";
  distilbert.layer.output_norm = "output_layer_norm";
  distilbert.attention_output_dropout = false;
  distilbert.sequence_head = {"pre_classifier", Activation::relu, "classifier", false};
  // Of this head transformers takes the rate from `dropout`, not from `seq_classif_dropout`.
  distilbert.token_head_dropout = config.hidden_dropout;
  distilbert.masked_head = {"vocab_transform", "vocab_layer_norm", "vocab_projector.bias"};
  distilbert.masked_head_activation = parse_activation(config.activation);
  return distilbert;
}

}  // namespace temper
