// The metadata of a GGUF file as config.json. What llama.cpp knows by heart of an architecture, config.json says.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "model/gguf/dequantize.h"
#include "model/huggingface/gguf_model.h"
#include "model/huggingface/gguf_rope.h"

namespace temper {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kMostHeadWidth = 1 << 20;

/// A number that was f32 in as few digits as give it back.
double shortest(double value) { return std::stod(fmt::format("{}", static_cast<float>(value))); }

void add_keys(const GgufModel& model, Json& config) {
  for (const GgufKey& known : model.architecture().keys) {
    const std::string name = model.key(known.gguf);
    const std::string key(known.huggingface);
    if (!model.metadata().has(name)) {
      if (known.required) model.metadata().refuse(name, fmt::format("what config.json calls \"{}\"", key));
      continue;
    }
    if (known.kind == GgufKeyKind::size) config[key] = *model.size(known.gguf);
    if (known.kind == GgufKeyKind::real) config[key] = shortest(*model.real(known.gguf));
    if (known.kind == GgufKeyKind::flag) config[key] = *model.metadata().flag(name);
  }
}

std::int64_t width_of(const GgufModel& model) { return model.size("embedding_length").value_or(0); }
std::int64_t layers_of(const GgufModel& model) { return model.size("block_count").value_or(0); }

std::int64_t head_width(const GgufModel& model) {
  return model.size("attention.key_length").value_or(width_of(model) / model.heads());
}

std::vector<float> factors(const GgufModel& model, const std::string& name) {
  const GgufTensor* tensor = model.find(name);
  if (tensor == nullptr) return {};
  std::int64_t count = 1;
  for (const std::int64_t extent : tensor->shape) count *= extent;
  if (count > kMostHeadWidth || !layout_of(tensor->type).is_read)
    throw Error("{}: tensor \"{}\" has {} elements of type {}, expected a factor for each pair of a head",
                model.metadata().path(), name, count, layout_of(tensor->type).name);
  std::vector<float> values(static_cast<std::size_t>(count));
  dequantize(tensor->type, tensor->bytes, values);
  for (const float value : values)
    if (!std::isfinite(value) || value <= 0.0F)
      throw Error("{}: tensor \"{}\" has the factor {}, expected positive numbers", model.metadata().path(), name,
                  value);
  return values;
}

void add_rotary(const GgufModel& model, Json& config) {
  const GgufRotary rotary = model.architecture().rotary;
  if (rotary == GgufRotary::none) return;
  const bool is_neox = model.architecture().name == "gptneox";
  const double base = shortest(model.real("rope.freq_base").value_or(10000.0));
  config[is_neox ? "rotary_emb_base" : "rope_theta"] = base;
  const std::int64_t width = head_width(model);
  const std::int64_t turned = model.size("rope.dimension_count").value_or(width);
  if (turned > width || turned % 2 != 0)
    model.metadata().refuse(model.key("rope.dimension_count"),
                            fmt::format("an even number up to {}, the width of a head", width));
  if (rotary == GgufRotary::whole_head && turned != width)
    model.metadata().refuse(model.key("rope.dimension_count"), fmt::format("{}, the width of a head", width));
  const double part = static_cast<double>(turned) / static_cast<double>(width);
  if (is_neox) config["rotary_pct"] = part;
  if (rotary == GgufRotary::part_of_head && !is_neox && turned != width) config["partial_rotary_factor"] = part;

  GgufRope rope;
  rope.base = base;
  rope.turned = turned;
  rope.type = model.metadata().text(model.key("rope.scaling.type")).value_or("none");
  const auto number = [&](std::string_view suffix) {
    const std::optional<double> value = model.real(suffix);
    return value ? std::optional(shortest(*value)) : std::nullopt;
  };
  rope.factor = number("rope.scaling.factor");
  rope.attention_factor = number("rope.scaling.attn_factor");
  rope.whole_attention_factor = number("rope.scaling.yarn_attn_factor");
  rope.beta_fast = number("rope.scaling.yarn_beta_fast");
  rope.beta_slow = number("rope.scaling.yarn_beta_slow");
  rope.original_length = model.size("rope.scaling.original_context_length");
  rope.factors = factors(model, kRopeFactors);
  rope.short_factors = factors(model, kRopeShortFactors);
  rope.long_factors = factors(model, kRopeLongFactors);
  if (const Json scaling = rope_scaling_of(rope, model.metadata().path()); !scaling.is_null())
    config["rope_scaling"] = scaling;
  // Phi-3 has it beside its factors, too.
  if (!rope.long_factors.empty() && rope.original_length)
    config["original_max_position_embeddings"] = *rope.original_length;
}

void add_layer_types(Json& config, std::int64_t layers, std::int64_t period) {
  Json types = Json::array();
  for (std::int64_t layer = 0; layer < layers; ++layer)
    types.push_back((layer + 1) % period == 0 ? "full_attention" : "sliding_attention");
  config["layer_types"] = std::move(types);
}

/// What depends on the family, and what llama.cpp has in its code.
void add_family(const GgufModel& model, Json& config) {
  const std::string_view name = model.architecture().name;
  const std::int64_t layers = layers_of(model);
  const std::int64_t width = head_width(model);
  if (name == "llama") {
    config["attention_bias"] = model.find("blk.0.attn_q.bias") != nullptr;
    config["mlp_bias"] = model.find("blk.0.ffn_up.bias") != nullptr;
    if (const auto window = model.size("attention.sliding_window")) {
      config["model_type"] = "mistral";
      config["architectures"] = Json::array({"MistralForCausalLM"});
      config["sliding_window"] = *window;
    }
  }
  if (name == "qwen3" || name == "olmo2" || name == "smollm3" || name == "command-r")
    config["attention_bias"] = model.find("blk.0.attn_q.bias") != nullptr;
  if (name == "command-r") config["use_qk_norm"] = model.find("blk.0.attn_q_norm.weight") != nullptr;
  if (name == "smollm3") {
    config["no_rope_layer_interval"] = 4;
    Json rotated = Json::array();
    for (std::int64_t layer = 0; layer < layers; ++layer) rotated.push_back((layer + 1) % 4 != 0 ? 1 : 0);
    config["no_rope_layers"] = std::move(rotated);
    config["use_sliding_window"] = false;
  }
  if (name == "gemma2" || name == "gemma3") {
    // The largest of each scales by the width of the model's part of a head, and not by that of its heads.
    const bool is_largest = layers == (name == "gemma2" ? 46 : 62);
    config["query_pre_attn_scalar"] = is_largest ? width_of(model) / model.heads() : width;
    config["hidden_activation"] = "gelu_pytorch_tanh";
    config["attention_bias"] = model.find("blk.0.attn_q.bias") != nullptr;
    // What llama.cpp takes where a file of Gemma 2 says nothing.
    const std::pair<const char*, double> caps[] = {{"attn_logit_softcapping", 50.0}, {"final_logit_softcapping", 30.0}};
    for (const auto& [cap, usual] : caps)
      if (!config.contains(cap)) config[cap] = name == "gemma2" ? Json(usual) : Json();
    add_layer_types(config, layers, name == "gemma2" ? 2 : 6);
    if (name == "gemma3") config["rope_local_base_freq"] = shortest(model.real("rope.freq_base_swa").value_or(10000.0));
  } else if (model.architecture().gated) {
    config["hidden_act"] = "silu";
  }
  if (name == "gptneox") {
    config["hidden_act"] = "gelu";
    if (!config.contains("use_parallel_residual")) config["use_parallel_residual"] = true;
    config["attention_bias"] = model.find("blk.0.attn_qkv.bias") != nullptr;
  }
  if (name == "gpt2") config["activation_function"] = "gelu_new";
}

void add_token_ids(const GgufModel& model, Json& config, std::int64_t vocabulary) {
  const std::pair<const char*, const char*> ids[] = {{"tokenizer.ggml.bos_token_id", "bos_token_id"},
                                                     {"tokenizer.ggml.eos_token_id", "eos_token_id"},
                                                     {"tokenizer.ggml.padding_token_id", "pad_token_id"}};
  // Some writers say "none" by the highest number of 32 bits.
  for (const auto& [key, name] : ids)
    if (const auto id = model.metadata().integer(key, -1, UINT32_MAX); id && *id >= 0 && *id != UINT32_MAX) {
      if (*id >= vocabulary) model.metadata().refuse(key, fmt::format("the id of one of {} tokens", vocabulary));
      config[name] = *id;
    }
  // What ends an answer beside the end token.
  for (const char* key : {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
    const auto id = model.metadata().integer(key, -1, UINT32_MAX);
    if (!id || *id < 0 || *id == UINT32_MAX) continue;
    if (*id >= vocabulary) model.metadata().refuse(key, fmt::format("the id of one of {} tokens", vocabulary));
    Json& ends = config["eos_token_id"];
    if (!ends.is_array()) ends = ends.is_null() ? Json::array() : Json::array({ends});
    if (std::find(ends.begin(), ends.end(), Json(*id)) == ends.end()) ends.push_back(*id);
    if (ends.size() == 1) ends = Json(ends.front());
  }
}

}  // namespace

std::string GgufModel::config_json() const {
  Json config;
  config["architectures"] = Json::array({std::string(architecture_->class_name)});
  config["model_type"] = std::string(architecture_->model_type);
  add_keys(*this, config);
  // One tensor at least belongs to each layer, so a number beyond that is none to make room for.
  if (std::cmp_greater(layers_of(*this), tensor_count()))
    metadata().refuse(key("block_count"), fmt::format("at most the number of tensors, {}", tensor_count()));
  (void)key_heads();
  if (head_width(*this) > kMostHeadWidth || head_width(*this) < 1)
    metadata().refuse(key("attention.key_length"), fmt::format("1 to {}", kMostHeadWidth));
  if (const auto values = size("attention.value_length"); values && *values != head_width(*this))
    metadata().refuse(key("attention.value_length"),
                      fmt::format("{}, the width of keys (attention.key_length)", head_width(*this)));
  config["vocab_size"] = vocabulary_size();
  config["tie_word_embeddings"] = find("output.weight") == nullptr;
  add_rotary(*this, config);
  add_family(*this, config);
  add_token_ids(*this, config, vocabulary_size());
  config["dtype"] = "float32";
  return config.dump(2) + "\n";
}

}  // namespace temper
