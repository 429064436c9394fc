// DistilBERT (Sanh, Debut, Chaumond, Wolf: "DistilBERT, a distilled version of BERT", 2019): no token types, no pooler,
// no dropout on the attention's output, and its own names for everything.
#include "model/activation_names.h"
#include "model/architectures/post_norm_encoder.h"

namespace temper {
namespace {

constexpr ConfigKey kWidth{"dim", "hidden_size"};
constexpr ConfigKey kLayers{"n_layers", "num_hidden_layers"};
constexpr ConfigKey kHeads{"n_heads", "num_attention_heads"};

PostNormEncoder read_distilbert(const ConfigKeys& keys) {
  refuse_bert_variants(keys);
  PostNormEncoder distilbert;
  read_common_keys(keys, {.vocabulary = 30522, .pad_token_id = 0}, distilbert);
  distilbert.width = keys.size(kWidth, 768);
  distilbert.layers = keys.size(kLayers, 6);
  distilbert.heads = keys.size(kHeads, 12);
  distilbert.intermediate_width = keys.size("hidden_dim", 3072);
  require_heads_divide(keys, kWidth, distilbert.width, kHeads, distilbert.heads);
  distilbert.activation = read_activation(keys, "activation", "gelu");
  const float dropout = keys.dropout("dropout", 0.1F);
  distilbert.embedding_dropout = dropout;
  distilbert.feed_forward_dropout = dropout;
  distilbert.attention_probability_dropout = keys.dropout("attention_dropout", 0.1F);
  distilbert.sequence_head_dropout =
      keys.is_null("seq_classif_dropout") ? dropout : keys.dropout("seq_classif_dropout", 0.2F);
  // Of this head transformers takes the rate from `dropout`, not from `seq_classif_dropout`.
  distilbert.token_head_dropout = dropout;

  distilbert.prefix = "distilbert.";
  distilbert.blocks = "transformer.layer";
  distilbert.attention = {"attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin"};
  distilbert.block = {"sa_layer_norm", {"ffn.lin1", "ffn.lin2"}, "output_layer_norm"};
  distilbert.sequence_head = {.dense = "pre_classifier", .classifier = "classifier", .activation = Activation::relu};
  distilbert.masked_lm_head = {"vocab_transform", "vocab_layer_norm", "vocab_projector.bias", "vocab_projector"};
  distilbert.masked_lm_activation = parse_activation(distilbert.activation);
  distilbert.unread = {"vocab_projector.weight"};
  return distilbert;
}

ModelSizes sizes_of_distilbert(const ConfigKeys& keys) { return sizes_of(read_distilbert(keys)); }
ModelParts make_distilbert(const ConfigKeys& keys, const HeadRequest& request) {
  return make_parts(read_distilbert(keys), request);
}

}  // namespace

Architecture distilbert_architecture() {
  return {"distilbert", "DistilBert", "transformer.layer.", sizes_of_distilbert, make_distilbert};
}

}  // namespace temper
