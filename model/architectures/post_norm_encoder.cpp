#include "model/architectures/post_norm_encoder.h"

#include <memory>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "model/activation_names.h"
#include "model/heads/token_head.h"
#include "model/layers/projected_embeddings.h"

namespace temper {
namespace {

WeightNames names_of(const PostNormEncoder& encoder) {
  WeightNames names;
  names.prefix = encoder.prefix;
  names.alternatives = {{"LayerNorm.weight", "LayerNorm.gamma"}, {"LayerNorm.bias", "LayerNorm.beta"}};
  names.alternatives.insert(names.alternatives.end(), encoder.alternatives.begin(), encoder.alternatives.end());
  names.unread = {"position_ids", "decoder.weight", "decoder.bias"};
  names.unread.insert(names.unread.end(), encoder.unread.begin(), encoder.unread.end());
  // A decoder of the head's own has its own bias, and nothing reads the one beside it.
  if (!encoder.tied_embeddings) names.unread.push_back(encoder.masked_lm_head.bias);
  return names;
}

Initialization weights_of(const PostNormEncoder& encoder) { return Initialization::normal(encoder.initializer_range); }

std::int64_t embedding_width_of(const PostNormEncoder& encoder) {
  return encoder.embedding_width > 0 ? encoder.embedding_width : encoder.width;
}

}  // namespace

void refuse_bert_variants(const ConfigKeys& keys) {
  if (keys.flag("is_decoder", false)) keys.refuse("is_decoder", "false: decoders are not supported");
  if (keys.flag("add_cross_attention", false))
    keys.refuse("add_cross_attention", "false: attention to another network's states is not supported");
  if (!keys.is_null("position_embedding_type") && keys.text("position_embedding_type", "absolute") != "absolute")
    keys.refuse("position_embedding_type", "\"absolute\": relative positions are not supported");
}

void read_common_keys(const ConfigKeys& keys, const BertDefaults& defaults, PostNormEncoder& encoder) {
  encoder.model_type = keys.text("model_type", "");
  encoder.config_path = keys.path();
  encoder.vocabulary = keys.size("vocab_size", defaults.vocabulary);
  encoder.positions = keys.size("max_position_embeddings", 512);
  encoder.initializer_range = keys.real("initializer_range", 0.02F, 0.0F, 100.0F);
  encoder.tied_embeddings = keys.flag("tie_word_embeddings", true);
  const bool no_padding = keys.is_null("pad_token_id");
  if (no_padding && defaults.positions_follow_padding)
    keys.refuse("pad_token_id", "the id of the padding token, which positions are counted from");
  const std::int64_t padding =
      no_padding ? -1 : keys.integer("pad_token_id", defaults.pad_token_id, 0, encoder.vocabulary - 1);
  if (defaults.positions_follow_padding) encoder.position_offset = padding + 1;
  if (encoder.positions <= encoder.position_offset)
    throw Error(
        "{}: \"max_position_embeddings\" is {} and the first position is {}, expected room for one token at "
        "least; correct the file, or download it again",
        keys.path(), encoder.positions, encoder.position_offset);
}

PostNormEncoder read_bert_keys(const ConfigKeys& keys, const BertDefaults& defaults) {
  refuse_bert_variants(keys);
  PostNormEncoder encoder;
  read_common_keys(keys, defaults, encoder);
  encoder.width = keys.size("hidden_size", defaults.width);
  encoder.layers = keys.size("num_hidden_layers", defaults.layers);
  encoder.heads = keys.size("num_attention_heads", defaults.heads);
  encoder.intermediate_width = keys.size("intermediate_size", defaults.intermediate_width);
  if (defaults.has_types) encoder.types = keys.size("type_vocab_size", 2);
  require_heads_divide(keys, "hidden_size", encoder.width, "num_attention_heads", encoder.heads);
  encoder.epsilon = keys.real("layer_norm_eps", defaults.epsilon, 0.0F, 1.0F);
  encoder.activation = read_activation(keys, "hidden_act", defaults.activation);
  const float dropout = keys.dropout("hidden_dropout_prob", defaults.dropout);
  encoder.embedding_dropout = dropout;
  encoder.attention_output_dropout = dropout;
  encoder.feed_forward_dropout = dropout;
  encoder.attention_probability_dropout = keys.dropout("attention_probs_dropout_prob", defaults.dropout);
  encoder.sequence_head_dropout =
      keys.is_null("classifier_dropout") ? dropout : keys.dropout("classifier_dropout", dropout);
  encoder.token_head_dropout = encoder.sequence_head_dropout;
  return encoder;
}

PostNormEncoder read_roberta_keys(const ConfigKeys& keys, std::int64_t default_vocabulary) {
  PostNormEncoder encoder =
      read_bert_keys(keys, {.vocabulary = default_vocabulary, .pad_token_id = 1, .positions_follow_padding = true});
  encoder.prefix = "roberta.";
  encoder.sequence_head = {
      .dense = "classifier.dense", .classifier = "classifier.out_proj", .dropout_before_dense = true};
  encoder.masked_lm_head = {"lm_head.dense", "lm_head.layer_norm", "lm_head.bias", "lm_head.decoder"};
  // Tied to the bias of the decoder, some files have it under that name alone.
  encoder.alternatives = {{"lm_head.bias", "lm_head.decoder.bias"}};
  return encoder;
}

ModelSizes sizes_of(const PostNormEncoder& encoder) {
  return {.vocabulary_size = encoder.vocabulary,
          .type_vocabulary_size = encoder.types,
          .longest_sequence = encoder.positions - encoder.position_offset,
          .width = encoder.width,
          .layers = encoder.layers,
          .heads = encoder.heads,
          .intermediate_width = encoder.intermediate_width};
}

ModelParts make_parts(const PostNormEncoder& encoder, const HeadRequest& request) {
  ModelParts parts = begin_parts(encoder);
  add_embeddings(encoder, parts);
  for (std::int64_t i = 0; i < encoder.layers; ++i) {
    const ParameterPlace place = place_of_next_block(encoder, parts);
    const SelfAttentionShape shape{encoder.width, encoder.heads, encoder.attention_probability_dropout};
    add_block(encoder, parts, place, std::make_unique<SelfAttention>(place, encoder.attention, shape));
  }
  add_head(encoder, parts, request);
  return parts;
}

ModelParts begin_parts(const PostNormEncoder& encoder) {
  ModelParts parts;
  parts.width = encoder.width;
  parts.names = names_of(encoder);
  parts.definition =
      fmt::format("{} of {} layers, {} heads, {}, epsilon {}, positions from {}", encoder.model_type, encoder.layers,
                  encoder.heads, encoder.activation, encoder.epsilon, encoder.position_offset);
  return parts;
}

void add_embeddings(const PostNormEncoder& encoder, ModelParts& parts) {
  const ParameterPlace place{parts.parameters, 0, ParameterRole::weight, weights_of(encoder), encoder.prefix};
  const std::int64_t width = embedding_width_of(encoder);
  const TextEmbeddingShape shape{
      encoder.vocabulary, encoder.positions,        encoder.types, encoder.position_offset, width,
      encoder.epsilon,    encoder.embedding_dropout};
  parts.input = std::make_unique<TextEmbeddings>(place.within(encoder.embeddings), encoder.embedding, shape);
  if (encoder.projection.empty()) return;
  Linear projection(place, encoder.projection, encoder.width, width);
  parts.input = std::make_unique<ProjectedEmbeddings>(std::move(parts.input), std::move(projection));
}

ParameterPlace place_of_next_block(const PostNormEncoder& encoder, ModelParts& parts) {
  return place_of_next_block(encoder, parts, encoder.blocks + "." + std::to_string(parts.blocks.size()));
}

ParameterPlace place_of_next_block(const PostNormEncoder& encoder, ModelParts& parts, const std::string& name) {
  const auto stage = static_cast<std::int64_t>(parts.blocks.size()) + 1;
  const ParameterPlace place{parts.parameters, stage, ParameterRole::weight, weights_of(encoder), encoder.prefix};
  return place.within(name);
}

void add_block(const PostNormEncoder& encoder, ModelParts& parts, const ParameterPlace& place,
               std::unique_ptr<AttentionLayer> attention) {
  const FeedForwardShape feed_forward{encoder.width, encoder.intermediate_width, parse_activation(encoder.activation)};
  const PostNormShape shape{feed_forward, encoder.epsilon, encoder.attention_output_dropout,
                            encoder.feed_forward_dropout};
  parts.blocks.push_back(std::make_shared<PostNormBlock>(place, std::move(attention), encoder.block, shape));
}

void add_head(const PostNormEncoder& encoder, ModelParts& parts, const HeadRequest& request) {
  const auto stage = static_cast<std::int64_t>(parts.blocks.size()) + 1;
  const ParameterPlace place{parts.parameters, stage, ParameterRole::head, weights_of(encoder)};
  if (request.kind == HeadKind::token) {
    parts.head =
        std::make_unique<TokenHead>(place, encoder.token_head, encoder.width, request, encoder.token_head_dropout);
  } else if (request.kind == HeadKind::masked_language_model) {
    const MaskedLmHeadShape shape{encoder.vocabulary, encoder.width, embedding_width_of(encoder),
                                  encoder.masked_lm_activation, encoder.epsilon};
    const Variable words = encoder.tied_embeddings ? parts.input->token_table() : Variable();
    parts.head = std::make_unique<MaskedLmHead>(place, encoder.masked_lm_head, words, shape, request.loss);
  } else {
    parts.head = std::make_unique<SequenceHead>(place, encoder.sequence_head, encoder.width, request,
                                                encoder.sequence_head_dropout);
  }
}

}  // namespace temper
