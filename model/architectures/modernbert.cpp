// ModernBERT (Warner et al.: "Smarter, better, faster, longer: a modern bidirectional encoder for fast, memory
// efficient, and long context finetuning and inference", 2024): norms before the layers, rotary positions, gated units,
// and layers that see all of a text or only a window of it in turn.
#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "model/activation_names.h"
#include "model/architectures/architecture.h"
#include "model/blocks/pre_norm_block.h"
#include "model/heads/masked_lm_head.h"
#include "model/heads/sequence_head.h"
#include "model/heads/token_head.h"
#include "model/layers/gated_feed_forward.h"
#include "model/layers/rotary_angles.h"
#include "model/layers/rotary_attention.h"
#include "model/layers/text_embeddings.h"

namespace temper {
namespace {

using Json = nlohmann::ordered_json;

/// What a layer sees, as transformers calls it.
struct LayerType {
  const char* name;
  const char* theta_key;  ///< of configurations before release 5
  double theta;
};
constexpr LayerType kGlobalLayer{"full_attention", "global_rope_theta", 160'000.0};
constexpr LayerType kLocalLayer{"sliding_attention", "local_rope_theta", 10'000.0};

struct ModernBert {
  std::int64_t vocabulary;
  std::int64_t width;
  std::int64_t intermediate_width;
  std::int64_t heads;
  std::int64_t positions;
  std::vector<bool> is_local;  ///< of each layer
  std::int64_t window;         ///< tokens on either side that a local layer sees
  double global_theta;
  double local_theta;
  std::string activation;
  std::string classifier_activation;
  float epsilon;
  LayerNorm::Bias norm_bias;
  Linear::Bias attention_bias;
  Linear::Bias feed_forward_bias;
  Linear::Bias classifier_bias;
  bool decoder_bias;
  bool pools_mean;
  bool tied_embeddings;
  float initializer_range;
  float embedding_dropout;
  float attention_dropout;
  float feed_forward_dropout;
  float classifier_dropout;
  std::string config_path;
};

/// Layer types are listed, or every n-th layer is global.
std::vector<bool> read_layer_types(const ConfigKeys& keys, std::int64_t layers) {
  const std::vector<std::string> types = keys.texts("layer_types");
  std::vector<bool> is_local;
  if (keys.find("layer_types") == nullptr || keys.is_null("layer_types")) {
    const std::int64_t interval = keys.size("global_attn_every_n_layers", 3);
    for (std::int64_t layer = 0; layer < layers; ++layer) is_local.push_back(layer % interval != 0);
    return is_local;
  }
  const auto is_known = [](const std::string& type) { return type == kGlobalLayer.name || type == kLocalLayer.name; };
  if (static_cast<std::int64_t>(types.size()) != layers || !std::all_of(types.begin(), types.end(), is_known))
    keys.refuse("layer_types",
                fmt::format("\"{}\" or \"{}\" for each of {} layers", kGlobalLayer.name, kLocalLayer.name, layers));
  for (const std::string& type : types) is_local.push_back(type == kLocalLayer.name);
  return is_local;
}

/// Of a layer type's entry in rope_parameters or, before release 5, under a key of its own beside a rope_scaling of
/// all. `of_null`: what a null under that key stands for; 0: for nothing.
double read_theta(const ConfigKeys& keys, const LayerType& type, double of_null) {
  constexpr float kLeast = 1.0F;
  constexpr float kMost = 1e12F;
  double theta = of_null > 0.0 && keys.is_null(type.theta_key)
                     ? of_null
                     : keys.real(type.theta_key, static_cast<float>(type.theta), kLeast, kMost);
  const auto read = [&](const char* key, const Json& rope) {
    const auto kind = rope.find(rope.contains("rope_type") ? "rope_type" : "type");
    if (kind != rope.end() && *kind != "default")
      keys.refuse(key, "\"rope_type\": \"default\": stretched contexts are not supported");
    const auto own = rope.find("rope_theta");
    if (own == rope.end()) return;
    if (!own->is_number() || own->get<double>() < kLeast || own->get<double>() > kMost)
      keys.refuse(key, fmt::format("\"rope_theta\" from {} to {}", kLeast, kMost));
    theta = own->get<double>();
  };
  const auto object = [&](const char* key) {
    const Json* value = keys.find(key);
    if (value != nullptr && !value->is_null() && !value->is_object()) keys.refuse(key, "an object");
    return value == nullptr || value->is_null() ? nullptr : value;
  };
  if (const Json* of_types = object("rope_parameters"); of_types != nullptr) {
    const auto own = of_types->find(type.name);
    if (own != of_types->end() && own->is_object()) read("rope_parameters", *own);
    for (const auto& [name, rope] : of_types->items())
      if ((name != kGlobalLayer.name && name != kLocalLayer.name) || !(rope.is_object() || rope.is_null()))
        keys.refuse("rope_parameters",
                    fmt::format("an object for \"{}\" and one for \"{}\"", kGlobalLayer.name, kLocalLayer.name));
  }
  if (const Json* of_all = object("rope_scaling"); of_all != nullptr) read("rope_scaling", *of_all);
  return theta;
}

ModernBert read_modernbert(const ConfigKeys& keys) {
  const auto linear_bias = [&](const char* key) {
    return keys.flag(key, false) ? Linear::Bias::zeros : Linear::Bias::none;
  };
  ModernBert model{};
  model.config_path = keys.path();
  model.vocabulary = keys.size("vocab_size", 50368);
  model.width = keys.size("hidden_size", 768);
  model.intermediate_width = keys.size("intermediate_size", 1152);
  model.heads = keys.size("num_attention_heads", 12);
  require_heads_divide(keys, "hidden_size", model.width, "num_attention_heads", model.heads);
  if (model.width / model.heads % 2 != 0)
    throw Error(
        "{}: \"hidden_size\" is {} and \"num_attention_heads\" is {}, expected heads of an even width, whose "
        "columns make pairs; correct the file, or download it again",
        keys.path(), model.width, model.heads);
  model.positions = keys.size("max_position_embeddings", 8192);
  model.is_local = read_layer_types(keys, keys.size("num_hidden_layers", 22));
  model.window = keys.integer("local_attention", 128, 0, 1 << 30) / 2;
  model.global_theta = read_theta(keys, kGlobalLayer, 0.0);
  // In release 4, which has these keys, a null means that local layers turn as the global ones do.
  model.local_theta = read_theta(keys, kLocalLayer, model.global_theta);
  model.activation = read_activation(keys, "hidden_activation", "gelu");
  model.classifier_activation = read_activation(keys, "classifier_activation", "gelu");
  model.epsilon = keys.real("norm_eps", 1e-5F, 0.0F, 1.0F);
  model.norm_bias = keys.flag("norm_bias", false) ? LayerNorm::Bias::zeros : LayerNorm::Bias::none;
  model.attention_bias = linear_bias("attention_bias");
  model.feed_forward_bias = linear_bias("mlp_bias");
  model.classifier_bias = linear_bias("classifier_bias");
  model.decoder_bias = keys.flag("decoder_bias", true);
  const std::string pooling = keys.text("classifier_pooling", "cls");
  if (pooling != "cls" && pooling != "mean") keys.refuse("classifier_pooling", "\"cls\" or \"mean\"");
  model.pools_mean = pooling == "mean";
  model.tied_embeddings = keys.flag("tie_word_embeddings", true);
  model.initializer_range = keys.real("initializer_range", 0.02F, 0.0F, 100.0F);
  model.embedding_dropout = keys.dropout("embedding_dropout", 0.0F);
  model.attention_dropout = keys.dropout("attention_dropout", 0.0F);
  model.feed_forward_dropout = keys.dropout("mlp_dropout", 0.0F);
  model.classifier_dropout = keys.dropout("classifier_dropout", 0.0F);
  return model;
}

ModelSizes sizes_of_modernbert(const ConfigKeys& keys) {
  const ModernBert model = read_modernbert(keys);
  return {.vocabulary_size = model.vocabulary,
          .longest_sequence = model.positions,
          .width = model.width,
          .layers = static_cast<std::int64_t>(model.is_local.size()),
          .heads = model.heads,
          .intermediate_width = model.intermediate_width};
}

/// Layers that write into the residual stream are initialised with a standard deviation that shrinks with depth.
Initialization modernbert_writing_weights(const ModernBert& model) {
  const auto layers = static_cast<float>(model.is_local.size());
  return Initialization::truncated_normal(model.initializer_range / std::sqrt(2.0F * layers));
}

/// `network`: where the parameters of the whole go, in the block's stage.
std::shared_ptr<const Block> modernbert_block(const ModernBert& model, std::size_t layer,
                                              const ParameterPlace& network) {
  const ParameterPlace place = network.within("layers." + std::to_string(layer));
  const bool is_local = model.is_local[layer];
  const std::int64_t head_width = model.width / model.heads;
  AttentionShape attention = AttentionShape::plain(model.heads, head_width);
  if (is_local) attention.window = {model.window, model.window};
  const auto norm = [&](const ParameterPlace& where, const char* name) {
    return LayerNorm(where, name, model.width, model.epsilon, model.norm_bias);
  };
  PreNormParts parts;
  if (layer > 0) parts.attention_norm = norm(place, "attn_norm");
  parts.attention = std::make_unique<RotaryAttention>(
      place, RotaryAttentionNames{{"attn.Wqkv"}, "attn.Wo"},
      RotaryAttentionShape{
          model.width, attention, rotary_angles(is_local ? model.local_theta : model.global_theta, head_width),
          model.attention_bias, model.attention_bias, model.attention_dropout, modernbert_writing_weights(model)});
  parts.feed_forward_norm = norm(place, "mlp_norm");
  parts.feed_forward = std::make_unique<GatedFeedForward>(
      place, GatedFeedForwardNames{"mlp.Wi", "", "mlp.Wo"},
      GatedFeedForwardShape{model.width, model.intermediate_width, parse_activation(model.activation),
                            model.feed_forward_bias, model.feed_forward_dropout, modernbert_writing_weights(model)});
  if (layer + 1 == model.is_local.size()) parts.final_norm = norm(network, "final_norm");
  return std::make_shared<PreNormBlock>(std::move(parts), PreNormRates{model.attention_dropout, 0.0});
}

HeadTransform modernbert_transform(const ModernBert& model, const ParameterPlace& place) {
  return {place.drawing(modernbert_writing_weights(model)),
          {"head.dense", "head.norm"},
          {model.width, model.width, parse_activation(model.classifier_activation), model.epsilon,
           model.classifier_bias, model.norm_bias}};
}

std::unique_ptr<Head> modernbert_head(const ModernBert& model, const ModelParts& parts, const ParameterPlace& place,
                                      const HeadRequest& request) {
  if (request.kind == HeadKind::masked_language_model) {
    HeadTransform transform = modernbert_transform(model, place);
    const auto bias = model.decoder_bias ? Linear::Bias::zeros : Linear::Bias::none;
    if (!model.tied_embeddings)
      return std::make_unique<MaskedLmHead>(
          std::move(transform), Linear(place, "decoder", model.vocabulary, model.width, bias), request.loss);
    const Variable added =
        model.decoder_bias ? place.add("decoder.bias", {model.vocabulary}, Initialization::zeros()) : Variable();
    return std::make_unique<MaskedLmHead>(std::move(transform), Linear(parts.input->token_table(), added),
                                          request.loss);
  }
  if (request.kind == HeadKind::token)
    return std::make_unique<TokenHead>(place, modernbert_transform(model, place), "classifier", model.width, request,
                                       model.classifier_dropout);
  return std::make_unique<SequenceHead>(place, modernbert_transform(model, place), "classifier", model.width, request,
                                        0.0, model.classifier_dropout,
                                        Readout{model.pools_mean ? ReadTokens::mean : ReadTokens::first});
}

ModelParts make_modernbert(const ConfigKeys& keys, const HeadRequest& request) {
  const ModernBert model = read_modernbert(keys);
  const Initialization weights = Initialization::truncated_normal(model.initializer_range);
  ModelParts parts;
  parts.width = model.width;
  parts.names.prefix = "model.";
  parts.names.unread = {"decoder.weight"};
  parts.definition =
      fmt::format("modernbert of {} heads, {}, epsilon {}, windows of {}, theta {} and {}, layers", model.heads,
                  model.activation, model.epsilon, model.window, model.global_theta, model.local_theta);
  for (const bool is_local : model.is_local) parts.definition += is_local ? " local" : " global";

  const ParameterPlace place{parts.parameters, 0, ParameterRole::weight, weights, parts.names.prefix};
  TextEmbeddingShape embedding{};
  embedding.vocabulary = model.vocabulary;
  embedding.width = model.width;
  embedding.epsilon = model.epsilon;
  embedding.dropout = model.embedding_dropout;
  embedding.norm_bias = model.norm_bias;
  TextEmbeddingNames names;
  names.words = "tok_embeddings";
  names.norm = "norm";
  parts.input = std::make_unique<TextEmbeddings>(place.within("embeddings"), names, embedding);
  for (std::size_t layer = 0; layer < model.is_local.size(); ++layer) {
    ParameterPlace of_block = place;
    of_block.stage = static_cast<std::int64_t>(layer) + 1;
    parts.blocks.push_back(modernbert_block(model, layer, of_block));
  }
  const auto stage = static_cast<std::int64_t>(parts.blocks.size()) + 1;
  // New classifiers are drawn by the width that they read.
  const float deviation = 1.0F / std::sqrt(static_cast<float>(model.width));
  const ParameterPlace of_head{parts.parameters, stage, ParameterRole::head,
                               Initialization::truncated_normal(deviation)};
  parts.head = modernbert_head(model, parts, of_head, request);
  return parts;
}

}  // namespace

Architecture modernbert_architecture() {
  return {"modernbert", "ModernBert", "layers.", sizes_of_modernbert, make_modernbert};
}

}  // namespace temper
