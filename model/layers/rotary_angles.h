// The angles of rotary position embeddings (Su et al. 2021), as transformers computes them (modeling_rope_utils.py,
// release 5.24), also for contexts that were stretched after pre-training.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tensor/ops/rotary.h"

namespace temper {

/// Pair i of columns / 2 (rounded up) turns by theta^(-2 i / columns) per position, in the roundings of f32 that
/// PyTorch makes.
RotaryAngles rotary_angles(double theta, std::int64_t columns, RotaryPairs layout = RotaryPairs::halves);

/// How a context is stretched.
enum class RotaryScalingKind : std::uint8_t {
  none,
  linear,    ///< all frequencies are divided by the factor (Chen, Wong, Chen, Tian: "Extending context window of large
             ///< language models via positional interpolation", 2023)
  dynamic,   ///< of sequences beyond the original length, the base grows with the length (calls::Rotate)
  llama3,    ///< slow pairs are divided by the factor, fast ones kept, those between interpolated (Llama team: "The
             ///< Llama 3 herd of models", 2024)
  yarn,      ///< the same between other limits, and larger sines and cosines (Peng, Quesnelle, Fan, Shippole: "YaRN:
             ///< efficient context window extension of large language models", 2023)
  longrope,  ///< each pair has a divisor, and another one in sequences beyond the original length (Ding et al.:
             ///< "LongRoPE: extending LLM context window beyond 2 million tokens", 2024)
};

struct RotaryScaling {
  RotaryScalingKind kind = RotaryScalingKind::none;
  double theta = 10'000.0;
  double factor = 1.0;
  std::int64_t original_length = 0;  ///< tokens; of pre-training
  // ---- llama3: wavelengths of the original length over these
  double low_frequency_factor = 1.0;
  double high_frequency_factor = 4.0;
  // ---- yarn: turns within the original length
  double beta_fast = 32.0;
  double beta_slow = 1.0;
  bool truncates = true;  ///< the limits that follow are rounded to whole pairs
  double magnitude_scale = 0.0;
  double magnitude_scale_of_all = 0.0;
  // ---- longrope: a divisor for each pair
  std::vector<double> short_factors = {};
  std::vector<double> long_factors = {};
  /// Of all sines and cosines, of yarn and longrope; absent: what the papers take.
  std::optional<double> attention_factor = {};

  /// All that the angles depend on, as text: models of the same definition compute the same.
  [[nodiscard]] std::string definition() const;
};

/// Of heads of which `columns` turn. The kind of scaling has what it needs: for dynamic at least two pairs, for
/// longrope as many divisors as there are pairs.
RotaryAngles rotary_angles(const RotaryScaling& scaling, std::int64_t columns, RotaryPairs layout);

}  // namespace temper
