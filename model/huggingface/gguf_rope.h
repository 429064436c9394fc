// Stretched rotary positions: how GGUF files describe them, and how config.json does (rope_scaling).
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace temper {

inline constexpr const char* kRopeFactors = "rope_freqs.weight";
inline constexpr const char* kRopeShortFactors = "rope_factors_short.weight";
inline constexpr const char* kRopeLongFactors = "rope_factors_long.weight";

/// Whether a tensor is a part of the configuration.
inline bool is_rope_factor_tensor(std::string_view name) {
  return name == kRopeFactors || name == kRopeShortFactors || name == kRopeLongFactors;
}

/// What "ARCHITECTURE.rope." and the tensors of factors say.
struct GgufRope {
  double base = 10000.0;
  std::int64_t turned = 0;  ///< elements of a head that rotate
  std::string type = "none";
  std::optional<double> factor = {};
  /// Of sines and cosines; of yarn, what its own factor is multiplied by.
  std::optional<double> attention_factor = {};
  std::optional<double> whole_attention_factor = {};  ///< "yarn_attn_factor": config.json's own, as converters copy it
  std::optional<double> beta_fast = {};
  std::optional<double> beta_slow = {};
  std::optional<std::int64_t> original_length = {};
  std::vector<float> factors = {};  ///< rope_freqs: what the frequency of each pair is divided by
  std::vector<float> short_factors = {};
  std::vector<float> long_factors = {};
};

/// config.json's "rope_scaling"; null where nothing is stretched. llama.cpp keeps of Llama 3's rule only what it makes
/// of each frequency: the rule is found again, with low_freq_factor 1, as all published models have it (a multiple of
/// it, of high_freq_factor and of the original length gives the same). Throws Error, beginning with `path`, for a kind
/// that config.json cannot describe.
nlohmann::ordered_json rope_scaling_of(const GgufRope& rope, const std::string& path);

/// The other way, of a whole config.json. turned: elements of a head that rotate.
GgufRope gguf_rope_of(const nlohmann::ordered_json& config, std::int64_t turned, const std::string& path);

}  // namespace temper
