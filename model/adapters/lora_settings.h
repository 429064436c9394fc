// What low-rank adapters are asked for, in the terms of PEFT's LoraConfig (peft/tuners/lora/config.py, release 0.21).
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace temper {

inline constexpr std::int64_t kMostRank = 1 << 16;

/// Modules by name. A list names modules by the end of their path, in whole parts ("q_proj", "self_attn.q_proj"); a
/// pattern is a regular expression that must match the whole path.
struct ModuleNames {
  std::vector<std::string> names;
  bool is_pattern = false;  ///< `names` holds one expression

  [[nodiscard]] bool empty() const { return names.empty(); }
};

/// Groups of modules that need no names.
enum class TargetPreset : std::uint8_t {
  none,
  attention,   ///< the linear layers of the attention
  mlp,         ///< those of the feed-forward network
  all_linear,  ///< every linear layer but that of the outputs
};

/// Which biases are trained along.
enum class LoraBias : std::uint8_t { none, all, lora_only };

struct LoraSettings {
  std::int64_t rank = 8;
  double alpha = 8.0;
  double dropout = 0.0;
  TargetPreset preset = TargetPreset::none;
  ModuleNames targets;   ///< where there is no preset
  ModuleNames excluded;  ///< of the targets
  LoraBias bias = LoraBias::none;
  bool rslora = false;  ///< scaled by alpha / sqrt(rank) (Kalajdzievski 2023) instead of alpha / rank
  bool dora = false;
  std::vector<std::string> modules_to_save;  ///< trained in full, by the end of their path
  /// Of modules whose path, or what is left of it behind a dot, an expression matches; the first that does counts.
  std::vector<std::pair<std::string, double>> rank_pattern;
  std::vector<std::pair<std::string, double>> alpha_pattern;
  std::vector<std::int64_t> layers;         ///< only these numbers, of targets in a list; none: all
  std::vector<std::string> layers_pattern;  ///< what the modules are called that are numbered; none: any
  std::string peft_config = {};             ///< the text of adapter_config.json, where it was read from one

  /// Of one module.
  [[nodiscard]] double scale(double alpha_of_module, std::int64_t rank_of_module) const;
};

}  // namespace temper
