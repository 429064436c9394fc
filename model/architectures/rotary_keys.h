// The keys of config.json that say how a decoder's queries and keys are turned: "rope_parameters" of transformers 5,
// "rope_scaling" and keys beside it of the releases before.
#pragma once

#include <cstdint>

#include "model/huggingface/config_keys.h"
#include "model/layers/rotary_angles.h"

namespace temper {

/// What an architecture takes where its keys say nothing, and what it calls them.
struct RotaryDefaults {
  std::int64_t positions = 0;  ///< "max_position_embeddings"
  double theta = 10'000.0;
  ConfigKey theta_key = "rope_theta";
  double share = 1.0;             ///< of a head's columns that turn
  ConfigKey share_key = "";       ///< beside "partial_rotary_factor" of the object; none: neither is read
  const char* layer_type = "";    ///< whose entry of "rope_parameters" is read, where each type has one
  bool reads_scaling = true;      ///< "rope_scaling" goes before it
  bool yarn_is_longrope = false;  ///< as the first Phi-3 called it
};

struct RotaryKeys {
  RotaryScaling scaling;
  std::int64_t columns = 0;  ///< of a head, that turn

  /// Of a head, for the model: how they are turned.
  [[nodiscard]] RotaryAngles angles(RotaryPairs layout = RotaryPairs::halves) const {
    return rotary_angles(scaling, columns, layout);
  }
  /// Tokens of the longest text that is made for, where the file says `positions`.
  [[nodiscard]] std::int64_t longest(std::int64_t positions) const;
};

/// Of heads of `head_width` columns. Throws Error for kinds of scaling that are not known, what they need and do not
/// have, and columns that make no pairs.
RotaryKeys read_rotary_keys(const ConfigKeys& keys, std::int64_t head_width, const RotaryDefaults& defaults);

}  // namespace temper
