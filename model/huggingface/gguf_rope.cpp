#include "model/huggingface/gguf_rope.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"

namespace temper {
namespace {

using Json = nlohmann::ordered_json;

/// Llama 3's rule (Hugging Face: rope_type "llama3").
struct Llama3Rule {
  double factor = 8.0;
  double low = 1.0;
  double high = 4.0;
  double original_length = 8192.0;
};

double wave_length(const GgufRope& rope, std::size_t pair) {
  return 2.0 * std::numbers::pi *
         std::pow(rope.base, 2.0 * static_cast<double>(pair) / static_cast<double>(rope.turned));
}

double factor_of(const Llama3Rule& rule, double length) {
  if (length < rule.original_length / rule.high) return 1.0;
  if (length > rule.original_length / rule.low) return rule.factor;
  const double smooth = (rule.original_length / length - rule.low) / (rule.high - rule.low);
  return 1.0 / ((1.0 - smooth) / rule.factor + smooth);
}

bool gives(const Llama3Rule& rule, const GgufRope& rope) {
  for (std::size_t pair = 0; pair < rope.factors.size(); ++pair) {
    const double expected = factor_of(rule, wave_length(rope, pair));
    if (std::abs(expected - static_cast<double>(rope.factors[pair])) > 1e-5 * expected) return false;
  }
  return true;
}

/// A number that is all but whole or a short decimal becomes one.
double rounded(double value) {
  for (const double unit : {1.0, 2.0, 4.0, 10.0, 100.0})
    if (std::abs(std::round(value * unit) - value * unit) < 1e-3 * unit) return std::round(value * unit) / unit;
  return value;
}

/// How far a frequency between is from stretched (0) to unchanged (1).
double smooth_of(double stretched, double factor) { return (1.0 / stretched - 1.0 / factor) / (1.0 - 1.0 / factor); }

/// The rule behind the factors; nothing where there is none.
std::optional<Llama3Rule> find_rule(const GgufRope& rope) {
  Llama3Rule rule;
  rule.factor = rounded(static_cast<double>(*std::max_element(rope.factors.begin(), rope.factors.end())));
  std::vector<std::pair<double, double>> between;  // 1 / wave length, smooth
  for (std::size_t pair = 0; pair < rope.factors.size(); ++pair) {
    const auto factor = static_cast<double>(rope.factors[pair]);
    if (factor > 1.0 + 1e-6 && factor < rule.factor * (1.0 - 1e-6))
      between.emplace_back(1.0 / wave_length(rope, pair), smooth_of(factor, rule.factor));
  }
  std::vector<Llama3Rule> candidates;
  if (between.size() >= 2) {
    // smooth = (length / (high - low)) x - low / (high - low) is a line.
    const auto [x0, y0] = between.front();
    const auto [x1, y1] = between.back();
    const double slope = (y1 - y0) / (x1 - x0);
    const double below = slope * x0 - y0;
    if (below > 0.0) candidates.push_back({rule.factor, 1.0, rounded(1.0 + 1.0 / below), std::round(slope / below)});
  }
  for (const double high : {4.0, 2.0, 8.0}) {
    if (between.size() == 1) {
      const auto [x, y] = between.front();
      candidates.push_back({rule.factor, 1.0, high, std::round((y * (high - 1.0) + 1.0) / x)});
    }
    for (double length = 8192.0; length >= 1.0; length /= 2.0) candidates.push_back({rule.factor, 1.0, high, length});
    for (double length = 16384.0; length <= 262144.0; length *= 2.0)
      candidates.push_back({rule.factor, 1.0, high, length});
  }
  for (const Llama3Rule& candidate : candidates)
    if (gives(candidate, rope)) return candidate;
  return std::nullopt;
}

Json llama3_scaling(const GgufRope& rope) {
  if (const std::optional<Llama3Rule> rule = find_rule(rope))
    return {{"rope_type", "llama3"},
            {"factor", rule->factor},
            {"low_freq_factor", rule->low},
            {"high_freq_factor", rule->high},
            {"original_max_position_embeddings", static_cast<std::int64_t>(rule->original_length)}};
  return nullptr;
}

const Json* member(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

std::optional<double> number(const Json& object, const char* key) {
  const Json* value = member(object, key);
  return value != nullptr && value->is_number() ? std::optional(value->get<double>()) : std::nullopt;
}

std::vector<float> list(const Json& object, const char* key) {
  const Json* value = member(object, key);
  std::vector<float> numbers;
  if (value != nullptr && value->is_array())
    for (const Json& item : *value)
      if (item.is_number()) numbers.push_back(item.get<float>());
  return numbers;
}

/// What YaRN multiplies sines and cosines by, of its own accord (Peng et al. 2023, 3.4).
double own_factor_of_yarn(double factor, double scale = 1.0) {
  return factor <= 1.0 ? 1.0 : 0.1 * scale * std::log(factor) + 1.0;
}

/// That of a rule of config.json, as transformers computes it.
double yarn_attention_factor(const Json& rule, double factor) {
  if (const std::optional<double> given = number(rule, "attention_factor")) return *given;
  const double scale = number(rule, "mscale").value_or(0.0);
  const double scale_of_all = number(rule, "mscale_all_dim").value_or(0.0);
  if (scale == 0.0 || scale_of_all == 0.0) return own_factor_of_yarn(factor);
  return own_factor_of_yarn(factor, scale) / own_factor_of_yarn(factor, scale_of_all);
}

double longrope_attention_factor(const Json& rule, double factor, double original_length) {
  if (const std::optional<double> given = number(rule, "attention_factor")) return *given;
  return factor <= 1.0 ? 1.0 : std::sqrt(1.0 + std::log(factor) / std::log(original_length));
}

/// Of the rules that take the ratio of the lengths where no factor is given.
double factor_or_ratio(const Json& rule, double positions, double original_length) {
  return number(rule, "factor").value_or(original_length > 0.0 ? positions / original_length : 1.0);
}

/// llama.cpp multiplies YaRN's own factor by "rope.scaling.attn_factor", and rounds the limits of its ramp.
void add_yarn(const Json& rule, double positions, GgufRope& rope, const std::string& path) {
  if (const Json* truncates = member(rule, "truncate"); truncates != nullptr && *truncates == false)
    throw Error(
        "{}: \"truncate\" of the rule \"yarn\" is false, which GGUF files do not have; export a Hugging Face folder",
        path);
  const double original_length = rope.original_length ? static_cast<double>(*rope.original_length) : positions;
  rope.factor = factor_or_ratio(rule, positions, original_length);
  const double attention_factor = yarn_attention_factor(rule, *rope.factor);
  rope.attention_factor.reset();
  if (attention_factor != own_factor_of_yarn(*rope.factor))
    rope.attention_factor = attention_factor / own_factor_of_yarn(*rope.factor);
  for (std::optional<double>* beta : {&rope.beta_fast, &rope.beta_slow})
    if (*beta == 0.0) beta->reset();  // the usual one, as in transformers
}

/// llama.cpp knows no other factor of LongRoPE's sines and cosines than the one that the file says.
void add_longrope(const Json& rule, double positions, GgufRope& rope) {
  rope.short_factors = list(rule, "short_factor");
  rope.long_factors = list(rule, "long_factor");
  if (!rope.original_length) rope.original_length = static_cast<std::int64_t>(positions);
  const auto original_length = static_cast<double>(*rope.original_length);
  rope.attention_factor =
      longrope_attention_factor(rule, factor_or_ratio(rule, positions, original_length), original_length);
  rope.factor.reset();
}

}  // namespace

Json rope_scaling_of(const GgufRope& rope, const std::string& path) {
  const auto pairs = static_cast<std::size_t>(rope.turned / 2);
  for (const std::vector<float>* factors : {&rope.factors, &rope.short_factors, &rope.long_factors})
    if (!factors->empty() && factors->size() != pairs)
      throw Error(
          "{}: has {} factors of rotary frequencies, expected {}, one for each pair of a head's {} elements; "
          "convert the model anew",
          path, factors->size(), pairs, rope.turned);
  if (!rope.short_factors.empty() && !rope.long_factors.empty()) {
    Json scaling{{"rope_type", "longrope"}, {"short_factor", rope.short_factors}, {"long_factor", rope.long_factors}};
    if (const auto factor = rope.attention_factor ? rope.attention_factor : rope.whole_attention_factor)
      scaling["attention_factor"] = *factor;
    if (rope.original_length) scaling["original_max_position_embeddings"] = *rope.original_length;
    return scaling;
  }
  const bool is_stretched =
      std::any_of(rope.factors.begin(), rope.factors.end(), [](float factor) { return factor != 1.0F; });
  if (is_stretched) {
    const Json scaling = llama3_scaling(rope);
    if (scaling.is_null())
      throw Error(
          "{}: the factors of \"rope_freqs.weight\" follow no rule of Llama 3, which config.json could name; use "
          "the model's Hugging Face folder",
          path);
    return scaling;
  }
  if (rope.type == "none" || rope.type.empty() || rope.factor.value_or(1.0) == 1.0) return nullptr;
  if (rope.type != "linear" && rope.type != "yarn")
    throw Error(
        "{}: stretches positions by the rule \"{}\" (rope.scaling.type), expected none, linear, yarn or "
        "longrope; choose another model",
        path, rope.type);
  Json scaling{{"rope_type", rope.type}, {"factor", *rope.factor}};
  if (rope.type == "linear") return scaling;
  if (rope.original_length) scaling["original_max_position_embeddings"] = *rope.original_length;
  if (rope.attention_factor) {
    scaling["attention_factor"] = *rope.attention_factor * own_factor_of_yarn(*rope.factor);
  } else if (rope.whole_attention_factor) {
    scaling["attention_factor"] = *rope.whole_attention_factor;
  }
  if (rope.beta_fast) scaling["beta_fast"] = *rope.beta_fast;
  if (rope.beta_slow) scaling["beta_slow"] = *rope.beta_slow;
  return scaling;
}

GgufRope gguf_rope_of(const Json& config, std::int64_t turned, const std::string& path) {
  GgufRope rope;
  rope.turned = turned;
  const Json* parameters = member(config, "rope_parameters");
  const Json* scaling = parameters != nullptr ? parameters : member(config, "rope_scaling");
  const Json none = Json::object();
  // Models with windows describe the layers that see everything and the others apart.
  if (scaling != nullptr && scaling->contains("full_attention")) scaling = &(*scaling)["full_attention"];
  const Json& rule = scaling != nullptr && scaling->is_object() ? *scaling : none;
  rope.base = number(rule, "rope_theta")
                  .value_or(number(config, "rope_theta").value_or(number(config, "rotary_emb_base").value_or(10000.0)));
  const Json* type = member(rule, "rope_type") != nullptr ? member(rule, "rope_type") : member(rule, "type");
  const std::string name = type != nullptr && type->is_string() ? type->get<std::string>() : "default";
  rope.factor = number(rule, "factor");
  rope.attention_factor = number(rule, "attention_factor");
  rope.beta_fast = number(rule, "beta_fast");
  rope.beta_slow = number(rule, "beta_slow");
  std::optional<double> length = number(rule, "original_max_position_embeddings");
  if (!length) length = number(config, "original_max_position_embeddings");
  if (length) rope.original_length = static_cast<std::int64_t>(*length);
  if (name == "default") {
    rope.factor.reset();
    rope.original_length.reset();
    return rope;
  }
  const double positions = number(config, "max_position_embeddings").value_or(0.0);
  if (name == "linear") {
    rope.type = name;
  } else if (name == "longrope" || name == "su" || (name == "yarn" && rule.contains("long_factor"))) {
    rope.type = "longrope";  // which the first Phi-3 called by other names
    add_longrope(rule, positions, rope);
  } else if (name == "yarn") {
    rope.type = name;
    add_yarn(rule, positions, rope, path);
  } else if (name == "llama3") {
    const Llama3Rule llama3{rope.factor.value_or(8.0), number(rule, "low_freq_factor").value_or(1.0),
                            number(rule, "high_freq_factor").value_or(4.0), length.value_or(8192.0)};
    for (std::size_t pair = 0; pair < static_cast<std::size_t>(turned / 2); ++pair)
      rope.factors.push_back(static_cast<float>(factor_of(llama3, wave_length(rope, pair))));
    rope.factor.reset();
    rope.original_length.reset();
  } else {
    throw Error(
        "{}: stretches positions by the rule \"{}\", which GGUF files do not have; export a Hugging Face folder", path,
        name);
  }
  return rope;
}

}  // namespace temper
