// GPT-2 (Radford et al.: "Language models are unsupervised multitask learners", 2019): a decoder with learned positions
// and norms before its layers. Its files hold weights as [in, out], and queries, keys and values as one.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <utility>

#include <fmt/format.h>

#include "model/activation_names.h"
#include "model/architectures/architecture.h"
#include "model/blocks/pre_norm_block.h"
#include "model/heads/causal_lm_head.h"
#include "model/heads/score_head.h"
#include "model/heads/token_head.h"
#include "model/layers/feed_forward.h"
#include "model/layers/self_attention.h"
#include "model/layers/text_embeddings.h"

namespace temper {
namespace {

constexpr ConfigKey kEmbedding{"n_embd", "hidden_size"};
constexpr ConfigKey kPositions{"n_positions", "max_position_embeddings"};
constexpr ConfigKey kDepth{"n_layer", "num_hidden_layers"};
constexpr ConfigKey kHeadCount{"n_head", "num_attention_heads"};

struct Gpt2 {
  ModelSizes sizes;
  float epsilon = 1e-5F;
  std::string activation;
  float initializer_range = 0.02F;
  float embedding_dropout = 0.0F;
  float attention_dropout = 0.0F;  ///< of the probabilities
  float residual_dropout = 0.0F;
  float token_head_dropout = 0.0F;
  bool scales_by_width = true;
  bool scales_by_layer = false;
  bool tied = true;
  std::int32_t padding_id = -1;

  /// Of the scores.
  [[nodiscard]] float scale_in(std::int64_t layer) const {
    const double by_width = scales_by_width ? std::sqrt(static_cast<double>(sizes.width / sizes.heads)) : 1.0;
    return static_cast<float>(1.0 / by_width / (scales_by_layer ? static_cast<double>(layer + 1) : 1.0));
  }
};

Gpt2 read_gpt2(const ConfigKeys& keys) {
  if (keys.flag("add_cross_attention", false))
    keys.refuse("add_cross_attention", "false: attention to another network's states is not supported");
  Gpt2 gpt2;
  ModelSizes& sizes = gpt2.sizes;
  sizes.vocabulary_size = keys.size("vocab_size", 50257);
  sizes.longest_sequence = keys.size(kPositions, 1024);
  sizes.width = keys.size(kEmbedding, 768);
  sizes.layers = keys.size(kDepth, 12);
  sizes.heads = keys.size(kHeadCount, 12);
  sizes.intermediate_width = keys.is_null("n_inner") ? 4 * sizes.width : keys.size("n_inner", 4 * sizes.width);
  require_heads_divide(keys, kEmbedding, sizes.width, kHeadCount, sizes.heads);
  gpt2.epsilon = keys.real("layer_norm_epsilon", 1e-5F, 0.0F, 1.0F);
  gpt2.activation = read_activation(keys, "activation_function", "gelu_new");
  gpt2.initializer_range = keys.real("initializer_range", 0.02F, 0.0F, 100.0F);
  gpt2.embedding_dropout = keys.dropout("embd_pdrop", 0.1F);
  gpt2.attention_dropout = keys.dropout("attn_pdrop", 0.1F);
  gpt2.residual_dropout = keys.dropout("resid_pdrop", 0.1F);
  // Keys that a configuration of this family has only where somebody added them.
  const float of_hidden = keys.is_null("hidden_dropout") ? 0.1F : keys.dropout("hidden_dropout", 0.1F);
  gpt2.token_head_dropout =
      keys.is_null("classifier_dropout") ? of_hidden : keys.dropout("classifier_dropout", of_hidden);
  gpt2.scales_by_width = keys.flag("scale_attn_weights", true);
  // "reorder_and_upcast_attn" says in which order a product is rounded: it is another way to the same scores.
  gpt2.scales_by_layer = keys.flag("scale_attn_by_inverse_layer_idx", false);
  gpt2.tied = keys.flag("tie_word_embeddings", true);
  if (!keys.is_null("pad_token_id"))
    gpt2.padding_id = static_cast<std::int32_t>(keys.integer("pad_token_id", -1, -1, INT32_MAX));
  return gpt2;
}

WeightNames names_of_gpt2(const Gpt2& gpt2) {
  const std::int64_t width = gpt2.sizes.width;
  WeightNames names;
  names.prefix = "transformer.";
  for (const auto& [part, first_row] :
       {std::pair{"query", std::int64_t{0}}, std::pair{"key", width}, std::pair{"value", 2 * width}}) {
    const std::string name = fmt::format("attn.{}.", part);
    names.rules.push_back({name + "weight", "attn.c_attn.weight", true, 3 * width, first_row});
    names.rules.push_back({name + "bias", "attn.c_attn.bias", false, 3 * width, first_row});
  }
  for (const char* matrix : {"attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight"})
    names.rules.push_back({matrix, matrix, true});
  names.unread = {".attn.bias", ".attn.masked_bias"};  // the mask
  if (gpt2.tied) names.unread.emplace_back("lm_head.weight");
  return names;
}

std::unique_ptr<Head> head_of_gpt2(const Gpt2& gpt2, const HeadRequest& request, const ParameterPlace& place,
                                   const InputLayer& input) {
  const std::int64_t width = gpt2.sizes.width;
  if (request.kind == HeadKind::token)
    return std::make_unique<TokenHead>(place, "classifier", width, request, gpt2.token_head_dropout);
  if (request.kind == HeadKind::sequence)
    return std::make_unique<ScoreHead>(place, "score", width, request, Readout{ReadTokens::last, gpt2.padding_id});
  if (gpt2.tied) return std::make_unique<CausalLmHead>(input.token_table(), request.loss);
  return std::make_unique<CausalLmHead>(place, "lm_head", gpt2.sizes.vocabulary_size, width, request.loss);
}

ModelParts make_gpt2(const ConfigKeys& keys, const HeadRequest& request) {
  const Gpt2 gpt2 = read_gpt2(keys);
  const ModelSizes& sizes = gpt2.sizes;
  const Initialization weights = Initialization::normal(gpt2.initializer_range);
  ModelParts parts;
  parts.width = sizes.width;
  parts.names = names_of_gpt2(gpt2);
  parts.definition = fmt::format("gpt2 of {} layers, {} heads, {}, epsilon {}, scores scaled by{}{}", sizes.layers,
                                 sizes.heads, gpt2.activation, gpt2.epsilon, gpt2.scales_by_width ? " width" : " 1",
                                 gpt2.scales_by_layer ? " and layer" : "");
  const auto place_of = [&](std::int64_t stage) {
    return ParameterPlace{parts.parameters, stage, ParameterRole::weight, weights, parts.names.prefix};
  };

  const TextEmbeddingNames tables{.words = "wte", .positions = "wpe", .norm = ""};
  const TextEmbeddingShape embedding{.vocabulary = sizes.vocabulary_size,
                                     .positions = sizes.longest_sequence,
                                     .types = 0,
                                     .position_offset = 0,
                                     .width = sizes.width,
                                     .epsilon = gpt2.epsilon,
                                     .dropout = gpt2.embedding_dropout};
  parts.input = std::make_unique<TextEmbeddings>(place_of(0), tables, embedding);

  const SelfAttentionNames attention{"attn.query", "attn.key", "attn.value", "attn.c_proj"};
  // What is added to the residual stream, twice per layer, is drawn smaller, so that the sum does not grow with depth
  // (Radford et al. 2019, 2.3).
  const Initialization residual = Initialization::normal(
      gpt2.initializer_range / std::sqrt(2.0F * static_cast<float>(std::max<std::int64_t>(1, sizes.layers))));
  const FeedForwardShape feed_forward{sizes.width, sizes.intermediate_width, parse_activation(gpt2.activation),
                                      residual};
  for (std::int64_t layer = 0; layer < sizes.layers; ++layer) {
    const ParameterPlace network = place_of(layer + 1);
    const ParameterPlace place = network.within(fmt::format("h.{}", layer));
    const SelfAttentionShape attends{.width = sizes.width,
                                     .heads = sizes.heads,
                                     .dropout = gpt2.attention_dropout,
                                     .causal = true,
                                     .scale = gpt2.scale_in(layer),
                                     .output_weights = residual};
    PreNormParts block;
    block.attention_norm.emplace(place, "ln_1", sizes.width, gpt2.epsilon);
    block.attention = std::make_unique<SelfAttention>(place, attention, attends);
    block.feed_forward_norm.emplace(place, "ln_2", sizes.width, gpt2.epsilon);
    block.feed_forward = std::make_unique<FeedForward>(place, FeedForwardNames{"mlp.c_fc", "mlp.c_proj"}, feed_forward);
    if (layer + 1 == sizes.layers) block.final_norm.emplace(network, "ln_f", sizes.width, gpt2.epsilon);
    parts.blocks.push_back(
        std::make_shared<PreNormBlock>(std::move(block), PreNormRates{gpt2.residual_dropout, gpt2.residual_dropout}));
  }

  const ParameterPlace of_head{parts.parameters, sizes.layers + 1, ParameterRole::head, weights};
  parts.head = head_of_gpt2(gpt2, request, of_head, *parts.input);
  return parts;
}

ModelSizes sizes_of_gpt2(const ConfigKeys& keys) { return read_gpt2(keys).sizes; }

constexpr std::array kGpt2Heads{HeadKind::sequence, HeadKind::token, HeadKind::causal_language_model};
constexpr std::array kGpt2Classes{HeadClass{HeadKind::causal_language_model, "GPT2LMHeadModel"}};

}  // namespace

Architecture gpt2_architecture() { return {"gpt2", "GPT2", "h.", sizes_of_gpt2, make_gpt2, kGpt2Classes, kGpt2Heads}; }

}  // namespace temper
