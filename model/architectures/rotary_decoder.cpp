#include "model/architectures/rotary_decoder.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "model/activation_names.h"
#include "model/blocks/parallel_block.h"
#include "model/blocks/pre_norm_block.h"
#include "model/heads/score_head.h"
#include "model/heads/token_head.h"
#include "model/layers/feed_forward.h"
#include "model/layers/gated_feed_forward.h"
#include "model/layers/text_embeddings.h"

namespace temper {
namespace {

std::int64_t read_head_width(const ConfigKeys& keys, const ModelSizes& sizes, std::int64_t otherwise) {
  const bool is_absent = keys.find("head_dim") == nullptr;
  if (is_absent ? otherwise > 0 : !keys.is_null("head_dim")) return keys.size("head_dim", otherwise);
  require_heads_divide(keys, "hidden_size", sizes.width, "num_attention_heads", sizes.heads);
  return sizes.width / sizes.heads;
}

std::int64_t read_key_heads(const ConfigKeys& keys, const ModelSizes& sizes, std::int64_t otherwise) {
  constexpr const char* kKey = "num_key_value_heads";
  const std::int64_t heads =
      keys.is_null(kKey) || (otherwise == 0 && keys.find(kKey) == nullptr) ? sizes.heads : keys.size(kKey, otherwise);
  if (sizes.heads % heads != 0)
    throw Error(
        "{}: \"num_attention_heads\" is {} and \"num_key_value_heads\" is {}, expected heads of keys that divide those "
        "of queries; correct the file, or download it again",
        keys.path(), sizes.heads, heads);
  return heads;
}

AttentionShape attention_of(const RotaryDecoder& decoder, const DecoderLayer& layer) {
  AttentionShape shape{.query_heads = decoder.sizes.heads,
                       .key_heads = decoder.key_heads,
                       .head_width = decoder.head_width,
                       .value_width = decoder.head_width,
                       .scale = decoder.attention_scale,
                       .causal = true};
  if (layer.window > 0) shape.window.left = layer.window - 1;
  shape.soft_cap = decoder.attention_soft_cap;
  return shape;
}

std::unique_ptr<AttentionLayer> make_attention(const RotaryDecoder& decoder, const DecoderLayer& layer,
                                               const ParameterPlace& place) {
  RotaryAngles angles;
  if (layer.rotary.has_value()) angles = layer.rotary->angles(decoder.pairs);
  return std::make_unique<RotaryAttention>(place, decoder.names.attention,
                                           RotaryAttentionShape{.width = decoder.sizes.width,
                                                                .attention = attention_of(decoder, layer),
                                                                .angles = std::move(angles),
                                                                .projection_bias = decoder.projection_bias,
                                                                .output_bias = decoder.output_bias,
                                                                .dropout = decoder.attention_dropout,
                                                                .output_weights = place.weights,
                                                                .query_key_norm = decoder.query_key_norm,
                                                                .norm = decoder.norm});
}

std::unique_ptr<FeedForwardLayer> make_feed_forward(const RotaryDecoder& decoder, const ParameterPlace& place) {
  const RotaryDecoderNames& names = decoder.names;
  const Activation activation = parse_activation(decoder.activation);
  if (!decoder.is_gated)
    return std::make_unique<FeedForward>(
        place, FeedForwardNames{names.gate, names.down},
        FeedForwardShape{decoder.sizes.width, decoder.sizes.intermediate_width, activation});
  return std::make_unique<GatedFeedForward>(
      place, GatedFeedForwardNames{names.gate, names.value, names.down},
      GatedFeedForwardShape{decoder.sizes.width, decoder.sizes.intermediate_width, activation,
                            decoder.feed_forward_bias, 0.0, place.weights});
}

/// `network`: where the parameters of the whole go, in the block's stage.
std::shared_ptr<const Block> make_block(const RotaryDecoder& decoder, std::size_t layer,
                                        const ParameterPlace& network) {
  const RotaryDecoderNames& names = decoder.names;
  const ParameterPlace place = network.within(fmt::format("{}.{}", names.blocks, layer));
  const auto norm = [&](const ParameterPlace& where, const std::string& name) {
    return name.empty()
               ? std::nullopt
               : std::optional<LayerNorm>(LayerNorm(where, name, decoder.sizes.width, decoder.norm, decoder.norm_bias));
  };
  const auto fill = [&](auto& parts) {
    parts.attention_norm = norm(place, names.attention_norm);
    parts.attention = make_attention(decoder, decoder.layers[layer], place);
    if constexpr (requires { parts.attention_output_norm; })
      parts.attention_output_norm = norm(place, names.attention_output_norm);
    parts.feed_forward_norm = norm(place, names.feed_forward_norm);
    parts.feed_forward = make_feed_forward(decoder, place);
    if constexpr (requires { parts.feed_forward_output_norm; })
      parts.feed_forward_output_norm = norm(place, names.feed_forward_output_norm);
    if (layer + 1 == decoder.layers.size()) parts.final_norm = norm(network, names.final_norm);
  };
  if (decoder.is_parallel) {
    ParallelParts parts;
    fill(parts);
    return std::make_shared<ParallelBlock>(std::move(parts), decoder.residual_dropout);
  }
  PreNormParts parts;
  fill(parts);
  return std::make_shared<PreNormBlock>(std::move(parts),
                                        PreNormRates{decoder.residual_dropout, decoder.residual_dropout});
}

std::unique_ptr<Head> make_head(const RotaryDecoder& decoder, const HeadRequest& request, const ParameterPlace& place,
                                const InputLayer& input) {
  const std::int64_t width = decoder.sizes.width;
  const RotaryDecoderNames& names = decoder.names;
  if (request.kind == HeadKind::token)
    return std::make_unique<TokenHead>(place, names.token_head, width, request, decoder.token_head_dropout,
                                       decoder.token_head_bias);
  if (request.kind == HeadKind::sequence)
    return std::make_unique<ScoreHead>(place, names.score, width, request,
                                       Readout{ReadTokens::last, decoder.padding_id});
  if (decoder.tied) return std::make_unique<CausalLmHead>(input.token_table(), request.loss, decoder.logits);
  return std::make_unique<CausalLmHead>(place, names.language_model_head, decoder.sizes.vocabulary_size, width,
                                        request.loss, decoder.logits);
}

std::string definition_of(const RotaryDecoder& decoder) {
  std::string text = fmt::format(
      "{} of {} heads, {} of keys, {}, norms {} {} {}, normed heads {}, scores times {} below {}, embeddings times {}, "
      "{}, pairs {}, layers",
      decoder.model_type, decoder.sizes.heads, decoder.key_heads, decoder.activation, decoder.norm.epsilon,
      static_cast<int>(decoder.norm.kind), decoder.norm.weight_offset, static_cast<int>(decoder.query_key_norm),
      decoder.attention_scale, decoder.attention_soft_cap, decoder.embedding_scale,
      decoder.is_parallel ? "parallel" : "one after the other", static_cast<int>(decoder.pairs));
  for (const DecoderLayer& layer : decoder.layers) {
    text += fmt::format("; window {}, ", layer.window);
    text += layer.rotary.has_value()
                ? fmt::format("{} columns by {}", layer.rotary->columns, layer.rotary->scaling.definition())
                : "not turned";
  }
  return text;
}

}  // namespace

RotaryDecoder read_decoder_keys(const ConfigKeys& keys, const char* model_type, const DecoderDefaults& defaults) {
  RotaryDecoder decoder;
  decoder.model_type = model_type;
  ModelSizes& sizes = decoder.sizes;
  sizes.vocabulary_size = keys.size("vocab_size", defaults.vocabulary);
  sizes.longest_sequence = keys.size("max_position_embeddings", defaults.positions);
  sizes.width = keys.size("hidden_size", defaults.width);
  sizes.layers = keys.size("num_hidden_layers", defaults.layers);
  sizes.heads = keys.size("num_attention_heads", defaults.heads);
  sizes.intermediate_width = keys.size("intermediate_size", defaults.intermediate_width);
  decoder.key_heads = read_key_heads(keys, sizes, defaults.key_heads);
  decoder.head_width = read_head_width(keys, sizes, defaults.head_width);
  decoder.layers.resize(static_cast<std::size_t>(sizes.layers));
  decoder.attention_scale = 1.0F / std::sqrt(static_cast<float>(decoder.head_width));
  decoder.norm.epsilon = keys.real(defaults.epsilon_key, defaults.epsilon, 0.0F, 1.0F);
  decoder.norm.kind = NormKind::root_mean_square;
  decoder.activation = read_activation(keys, defaults.activation_key, defaults.activation);
  decoder.tied = keys.flag("tie_word_embeddings", defaults.tied);
  decoder.padding_id = defaults.padding_id;
  if (keys.is_null("pad_token_id")) {
    decoder.padding_id = -1;
  } else {
    decoder.padding_id = static_cast<std::int32_t>(keys.integer("pad_token_id", defaults.padding_id, -1, INT32_MAX));
  }
  decoder.initializer_range = keys.real("initializer_range", 0.02F, 0.0F, 100.0F);
  decoder.attention_dropout = keys.dropout("attention_dropout", 0.0F);
  // Keys that a configuration of this family has only where somebody added them.
  decoder.token_head_dropout = keys.dropout("classifier_dropout", keys.dropout("hidden_dropout", 0.1F));
  decoder.token_head_bias = keys.flag("token_classification_bias", true) ? Linear::Bias::zeros : Linear::Bias::none;
  return decoder;
}

void turn_all_layers(RotaryDecoder& decoder, const RotaryKeys& rotary) {
  for (DecoderLayer& layer : decoder.layers) layer.rotary = rotary;
  decoder.sizes.longest_sequence = rotary.longest(decoder.sizes.longest_sequence);
}

void read_attention_bias(const ConfigKeys& keys, RotaryDecoder& decoder) {
  decoder.projection_bias = keys.flag("attention_bias", false) ? Linear::Bias::zeros : Linear::Bias::none;
  decoder.output_bias = decoder.projection_bias;
}

std::vector<bool> read_window_layers(const ConfigKeys& keys, std::vector<bool> otherwise) {
  const std::vector<std::string> types = keys.texts("layer_types");
  if (types.empty()) return otherwise;
  const auto is_known = [](const std::string& type) { return type == kFullAttention || type == kWindowAttention; };
  // transformers reads as many as there are layers.
  if (types.size() < otherwise.size() || !std::all_of(types.begin(), types.end(), is_known))
    keys.refuse("layer_types", fmt::format("\"{}\" or \"{}\" for each of {} layers", kWindowAttention, kFullAttention,
                                           otherwise.size()));
  for (std::size_t layer = 0; layer < otherwise.size(); ++layer) otherwise[layer] = types[layer] == kWindowAttention;
  return otherwise;
}

void add_windows(const ConfigKeys& keys, const ConfigKey& key, std::int64_t otherwise,
                 const std::vector<bool>& window_layers, RotaryDecoder& decoder) {
  if (std::find(window_layers.begin(), window_layers.end(), true) == window_layers.end()) return;
  const std::int64_t window = keys.size(key, otherwise);
  for (std::size_t layer = 0; layer < window_layers.size(); ++layer)
    if (window_layers[layer]) decoder.layers[layer].window = window;
}

void add_upper_windows(const ConfigKeys& keys, RotaryDecoder& decoder) {
  const bool has_windows = keys.flag("use_sliding_window", false) && !keys.is_null("sliding_window");
  const std::int64_t first = keys.integer("max_window_layers", 28, 0, INT32_MAX);
  std::vector<bool> upper(decoder.layers.size(), false);
  for (std::size_t layer = 0; layer < upper.size(); ++layer)
    upper[layer] = has_windows && static_cast<std::int64_t>(layer) >= first;
  const std::vector<bool> window_layers = read_window_layers(keys, upper);
  if (!has_windows && std::find(window_layers.begin(), window_layers.end(), true) != window_layers.end())
    keys.refuse("layer_types", "no \"sliding_attention\" where \"use_sliding_window\" is not set");
  add_windows(keys, "sliding_window", 4096, window_layers, decoder);
}

ModelParts make_parts(const RotaryDecoder& decoder, const HeadRequest& request) {
  const RotaryDecoderNames& names = decoder.names;
  ModelParts parts;
  parts.width = decoder.sizes.width;
  parts.definition = definition_of(decoder);
  parts.names.prefix = names.prefix;
  parts.names.unread = {".rotary_emb.inv_freq"};  // tables that older releases stored
  if (decoder.tied) parts.names.unread.push_back(names.language_model_head + ".weight");

  const Initialization weights = Initialization::normal(decoder.initializer_range);
  const auto place_of = [&](std::int64_t stage) {
    return ParameterPlace{parts.parameters, stage, ParameterRole::weight, weights, names.prefix};
  };
  const TextEmbeddingNames tables{.words = names.embeddings, .norm = ""};
  parts.input = std::make_unique<TextEmbeddings>(place_of(0), tables,
                                                 TextEmbeddingShape{.vocabulary = decoder.sizes.vocabulary_size,
                                                                    .positions = 0,
                                                                    .types = 0,
                                                                    .position_offset = 0,
                                                                    .width = decoder.sizes.width,
                                                                    .epsilon = decoder.norm.epsilon,
                                                                    .dropout = decoder.embedding_dropout,
                                                                    .scale = decoder.embedding_scale});
  for (std::size_t layer = 0; layer < decoder.layers.size(); ++layer)
    parts.blocks.push_back(make_block(decoder, layer, place_of(static_cast<std::int64_t>(layer) + 1)));
  const ParameterPlace of_head{parts.parameters, decoder.sizes.layers + 1, ParameterRole::head, weights};
  parts.head = make_head(decoder, request, of_head, *parts.input);
  return parts;
}

}  // namespace temper
