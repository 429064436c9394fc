// ALBERT (Lan et al.: "ALBERT: a lite BERT for self-supervised learning of language representations", 2020): BERT's
// encoder on narrower embeddings, whose layers share their weights: all of them, or those of a group. A layer may be
// several inner ones, each a block of the stack here.
#include <map>

#include <fmt/format.h>

#include "base/error.h"
#include "model/activation_names.h"
#include "model/architectures/post_norm_encoder.h"
#include "model/layers/self_attention.h"

namespace temper {
namespace {

struct Albert {
  PostNormEncoder encoder;  ///< `layers` counts the inner ones of each
  std::int64_t layers = 0;
  std::int64_t groups = 1;
  std::int64_t inner_layers = 1;

  /// Rounded as transformers rounds it.
  [[nodiscard]] std::int64_t group_of(std::int64_t layer) const {
    const double layers_of_group = static_cast<double>(layers) / static_cast<double>(groups);
    return static_cast<std::int64_t>(static_cast<double>(layer) / layers_of_group);
  }
};

Albert read_albert(const ConfigKeys& keys) {
  Albert albert;
  PostNormEncoder& encoder = albert.encoder;
  encoder = read_bert_keys(keys, {.vocabulary = 30000,
                                  .pad_token_id = 0,
                                  .width = 4096,
                                  .heads = 64,
                                  .intermediate_width = 16384,
                                  .activation = "gelu_new",
                                  .dropout = 0.0F});
  albert.layers = encoder.layers;
  albert.groups = keys.size("num_hidden_groups", 1);
  if (albert.groups > albert.layers)
    throw Error(
        "{}: \"num_hidden_groups\" is {} and \"num_hidden_layers\" is {}, expected a layer for each group; correct the "
        "file, or download it again",
        keys.path(), albert.groups, albert.layers);
  albert.inner_layers = keys.size("inner_group_num", 1);
  encoder.layers *= albert.inner_layers;
  encoder.embedding_width = keys.size("embedding_size", 128);
  encoder.feed_forward_dropout = 0.0F;  // transformers has a module for it, and does not call it
  const float of_hidden = encoder.attention_output_dropout;
  encoder.sequence_head_dropout =
      keys.is_null("classifier_dropout_prob") ? of_hidden : keys.dropout("classifier_dropout_prob", 0.1F);
  encoder.token_head_dropout = encoder.sequence_head_dropout;

  encoder.prefix = "albert.";
  encoder.projection = "encoder.embedding_hidden_mapping_in";
  encoder.attention = {"attention.query", "attention.key", "attention.value", "attention.dense"};
  encoder.block = {"attention.LayerNorm", {"ffn", "ffn_output"}, "full_layer_layer_norm"};
  encoder.sequence_head = {.dense = "albert.pooler", .classifier = "classifier"};
  encoder.masked_lm_head = {"predictions.dense", "predictions.LayerNorm", "predictions.bias", "predictions.decoder"};
  encoder.masked_lm_activation = parse_activation(encoder.activation);
  // Tied to the bias of the decoder, some files have it under that name alone.
  encoder.alternatives = {{"predictions.bias", "predictions.decoder.bias"}};
  return albert;
}

ModelSizes sizes_of_albert(const ConfigKeys& keys) { return sizes_of(read_albert(keys).encoder); }

ModelParts make_albert(const ConfigKeys& keys, const HeadRequest& request) {
  const Albert albert = read_albert(keys);
  const PostNormEncoder& encoder = albert.encoder;
  ModelParts parts = begin_parts(encoder);
  add_embeddings(encoder, parts);
  std::map<std::string, std::size_t> lowest;  // block of this name
  for (std::int64_t layer = 0; layer < albert.layers; ++layer) {
    for (std::int64_t inner = 0; inner < albert.inner_layers; ++inner) {
      const std::string name =
          fmt::format("encoder.albert_layer_groups.{}.albert_layers.{}", albert.group_of(layer), inner);
      const auto [found, is_new] = lowest.emplace(name, parts.blocks.size());
      if (!is_new) {
        parts.blocks.push_back(parts.blocks[found->second]);
        continue;
      }
      const ParameterPlace place = place_of_next_block(encoder, parts, name);
      const SelfAttentionShape shape{encoder.width, encoder.heads, encoder.attention_probability_dropout};
      add_block(encoder, parts, place, std::make_unique<SelfAttention>(place, encoder.attention, shape));
    }
  }
  add_head(encoder, parts, request);
  return parts;
}

}  // namespace

Architecture albert_architecture() {
  return {"albert", "Albert", "encoder.albert_layer_groups.", sizes_of_albert, make_albert};
}

}  // namespace temper
