#include "model/architectures/rotary_keys.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "model/huggingface/json_object.h"

namespace temper {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kMostTheta = 1e15;

struct NamedScaling {
  std::string_view name;
  RotaryScalingKind kind;
};

/// As transformers calls them; "su" is what the first Phi-3 called LongRoPE.
constexpr std::array<NamedScaling, 7> kScalings = {{
    {"default", RotaryScalingKind::none},
    {"linear", RotaryScalingKind::linear},
    {"dynamic", RotaryScalingKind::dynamic},
    {"llama3", RotaryScalingKind::llama3},
    {"yarn", RotaryScalingKind::yarn},
    {"longrope", RotaryScalingKind::longrope},
    {"su", RotaryScalingKind::longrope},
}};

/// The object that describes the angles, and the key it stands under, for messages.
class RopeObject {
 public:
  RopeObject(const ConfigKeys& keys, const RotaryDefaults& defaults)
      : keys_(keys), yarn_is_longrope_(defaults.yarn_is_longrope) {
    object_ = defaults.reads_scaling ? object("rope_scaling") : nullptr;
    if (object_ != nullptr) return;
    key_ = "rope_parameters";
    object_ = object(key_);
    if (object_ == nullptr || std::string_view(defaults.layer_type).empty()) return;
    const auto own = object_->find(defaults.layer_type);
    object_ = own != object_->end() && own->is_object() ? &*own : nullptr;
  }

  /// Null where there is none, or null stands there.
  [[nodiscard]] const Json* find(std::string_view name) const {
    if (object_ == nullptr) return nullptr;
    const auto found = object_->find(std::string(name));
    return found == object_->end() || found->is_null() ? nullptr : &*found;
  }
  [[nodiscard]] double number(std::string_view name, double otherwise, double lowest, double highest) const {
    const Json* value = find(name);
    if (value == nullptr) return otherwise;
    if (!value->is_number() || value->get<double>() < lowest || value->get<double>() > highest)
      refuse(name, fmt::format("a number from {} to {}", lowest, highest));
    return value->get<double>();
  }
  [[nodiscard]] double needed_number(std::string_view name, double lowest, double highest) const {
    if (find(name) == nullptr) refuse(name, fmt::format("a number from {} to {}", lowest, highest));
    return number(name, 0.0, lowest, highest);
  }
  [[nodiscard]] std::vector<double> divisors(std::string_view name, std::int64_t count) const {
    const Json* value = find(name);
    const std::string expected = fmt::format("a list of {} positive numbers, one for each pair of columns", count);
    if (value == nullptr || !value->is_array() || static_cast<std::int64_t>(value->size()) != count)
      refuse(name, expected);
    std::vector<double> result;
    for (const Json& divisor : *value) {
      if (!divisor.is_number() || !(divisor.get<double>() > 0.0)) refuse(name, expected);
      result.push_back(divisor.get<double>());
    }
    return result;
  }
  [[noreturn]] void refuse(std::string_view name, const std::string& expected) const {
    const Json* value = find(name);
    throw Error("{}: \"{}\" of \"{}\" is {}, expected {}; correct the file, or download it again", keys_.path(), name,
                key_, value != nullptr ? shown(*value) : "missing", expected);
  }
  [[nodiscard]] RotaryScalingKind kind() const {
    const std::string_view name = find("rope_type") != nullptr ? "rope_type" : "type";
    const Json* value = find(name);
    if (value == nullptr) return RotaryScalingKind::none;
    for (const NamedScaling& known : kScalings)
      if (*value == known.name)
        return known.name == "yarn" && yarn_is_longrope_ ? RotaryScalingKind::longrope : known.kind;
    std::vector<std::string> names;
    for (const NamedScaling& known : kScalings) names.push_back(fmt::format("\"{}\"", known.name));
    refuse(name, fmt::format("one of {}: others are not supported", fmt::join(names, ", ")));
  }

 private:
  [[nodiscard]] const Json* object(const char* key) const {
    const Json* value = keys_.find(key);
    if (value == nullptr || value->is_null() || (value->is_object() && value->empty())) return nullptr;
    if (!value->is_object()) keys_.refuse(key, "an object");
    return value;
  }

  const ConfigKeys& keys_;
  bool yarn_is_longrope_;
  const char* key_ = "rope_scaling";
  const Json* object_ = nullptr;
};

void read_original_length(const ConfigKeys& keys, const RopeObject& rope, const RotaryDefaults& defaults,
                          RotaryScaling& scaling) {
  constexpr double kMostTokens = 1e9;
  constexpr const char* kKey = "original_max_position_embeddings";
  // What stands beside the object goes before what stands in it, as in transformers.
  scaling.original_length =
      keys.find(kKey) != nullptr && !keys.is_null(kKey)
          ? keys.size(kKey, 0)
          : static_cast<std::int64_t>(rope.number(kKey, static_cast<double>(defaults.positions), 1.0, kMostTokens));
  if (rope.find("factor") == nullptr)
    scaling.factor = static_cast<double>(defaults.positions) / static_cast<double>(scaling.original_length);
}

void read_scaling(const ConfigKeys& keys, const RopeObject& rope, const RotaryDefaults& defaults, std::int64_t columns,
                  RotaryScaling& scaling) {
  constexpr double kMostFactor = 1e6;
  if (scaling.kind == RotaryScalingKind::none) return;
  const bool has_own_ratio = scaling.kind == RotaryScalingKind::yarn || scaling.kind == RotaryScalingKind::longrope;
  scaling.factor =
      has_own_ratio ? rope.number("factor", 1.0, 1e-6, kMostFactor) : rope.needed_number("factor", 1e-6, kMostFactor);
  if (rope.find("attention_factor") != nullptr)
    scaling.attention_factor = rope.number("attention_factor", 1.0, 0.0, 1e6);
  switch (scaling.kind) {
    case RotaryScalingKind::dynamic:
      scaling.original_length = defaults.positions;
      if (columns < 3) rope.refuse("rope_type", "another kind: \"dynamic\" needs more than one pair of columns");
      break;
    case RotaryScalingKind::llama3:
      scaling.low_frequency_factor = rope.needed_number("low_freq_factor", 1e-6, 1e6);
      scaling.high_frequency_factor = rope.needed_number("high_freq_factor", 1e-6, 1e6);
      if (scaling.high_frequency_factor <= scaling.low_frequency_factor)
        rope.refuse("high_freq_factor", "more than \"low_freq_factor\"");
      read_original_length(keys, rope, defaults, scaling);
      break;
    case RotaryScalingKind::yarn: {
      const auto beta = [&](const char* name, double usual) {
        const double value = rope.number(name, usual, 0.0, 1e6);
        return value == 0.0 ? usual : value;
      };
      scaling.beta_fast = beta("beta_fast", scaling.beta_fast);
      scaling.beta_slow = beta("beta_slow", scaling.beta_slow);
      if (const Json* truncates = rope.find("truncate")) scaling.truncates = *truncates != false;
      scaling.magnitude_scale = rope.number("mscale", 0.0, -1e6, 1e6);
      scaling.magnitude_scale_of_all = rope.number("mscale_all_dim", 0.0, -1e6, 1e6);
      read_original_length(keys, rope, defaults, scaling);
      if (!(scaling.theta > 1.0)) rope.refuse("rope_theta", "a number above 1");
      break;
    }
    case RotaryScalingKind::longrope:
      scaling.short_factors = rope.divisors("short_factor", (columns + 1) / 2);
      scaling.long_factors = rope.divisors("long_factor", (columns + 1) / 2);
      read_original_length(keys, rope, defaults, scaling);
      if (scaling.original_length < 2) rope.refuse("original_max_position_embeddings", "2 tokens or more");
      break;
    default:
      break;
  }
}

}  // namespace

std::int64_t RotaryKeys::longest(std::int64_t positions) const {
  if (scaling.kind != RotaryScalingKind::dynamic) return positions;
  return std::max(positions, static_cast<std::int64_t>(scaling.factor * static_cast<double>(positions)));
}

RotaryKeys read_rotary_keys(const ConfigKeys& keys, std::int64_t head_width, const RotaryDefaults& defaults) {
  const RopeObject rope(keys, defaults);
  RotaryKeys result;
  const auto beside = [&](const ConfigKey& key, double usual, double lowest, double highest) {
    const Json* value = keys.find(key);
    if (value == nullptr || value->is_null()) return usual;
    if (!value->is_number() || value->get<double>() < lowest || value->get<double>() > highest)
      keys.refuse(key, fmt::format("a number from {} to {}", lowest, highest));
    return value->get<double>();
  };
  result.scaling.kind = rope.kind();
  result.scaling.theta =
      rope.number("rope_theta", beside(defaults.theta_key, defaults.theta, 1.0, kMostTheta), 1.0, kMostTheta);
  const double share =
      defaults.share_key.name.empty()
          ? 1.0
          : rope.number("partial_rotary_factor", beside(defaults.share_key, defaults.share, 0.0, 1.0), 0.0, 1.0);
  result.columns = static_cast<std::int64_t>(static_cast<double>(head_width) * share);
  if (result.columns < 1 || result.columns + result.columns % 2 > head_width)
    throw Error(
        "{}: heads have {} columns, of which {} turn, expected columns that make pairs; correct the file, or download "
        "it again",
        keys.path(), head_width, result.columns);
  read_scaling(keys, rope, defaults, result.columns, result.scaling);
  return result;
}

}  // namespace temper
