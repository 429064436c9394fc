// ELECTRA (Clark, Luong, Le, Manning: "ELECTRA: pre-training text encoders as discriminators rather than generators",
// 2020): BERT's encoder on embeddings of their own width. The head over words is the generator's.
#include "model/architectures/post_norm_encoder.h"

namespace temper {
namespace {

PostNormEncoder read_electra(const ConfigKeys& keys) {
  PostNormEncoder electra = read_bert_keys(
      keys, {.vocabulary = 30522, .pad_token_id = 0, .width = 256, .heads = 4, .intermediate_width = 1024});
  electra.embedding_width = keys.size("embedding_size", 128);
  electra.prefix = "electra.";
  if (electra.embedding_width != electra.width) electra.projection = "embeddings_project";
  // GELU whatever "hidden_act" says. What "summary_type" and its kin describe is the head over multiple choices.
  electra.sequence_head = {.dense = "classifier.dense",
                           .classifier = "classifier.out_proj",
                           .activation = Activation::gelu,
                           .dropout_before_dense = true};
  electra.masked_lm_head = {"generator_predictions.dense", "generator_predictions.LayerNorm", "generator_lm_head.bias",
                            "generator_lm_head"};
  electra.unread = {"generator_lm_head.weight"};
  return electra;
}

ModelSizes sizes_of_electra(const ConfigKeys& keys) { return sizes_of(read_electra(keys)); }
ModelParts make_electra(const ConfigKeys& keys, const HeadRequest& request) {
  return make_parts(read_electra(keys), request);
}

}  // namespace

Architecture electra_architecture() { return {"electra", "Electra", "encoder.layer.", sizes_of_electra, make_electra}; }

}  // namespace temper
