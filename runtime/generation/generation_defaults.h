// What a model's folder says about generating text with it: generation_config.json, and config.json where that is
// silent.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "model/architectures/model_config.h"

namespace temper {

struct GenerationDefaults {
  std::vector<std::int32_t> stop_tokens;    ///< eos_token_id, one or several
  std::optional<std::int32_t> first_token;  ///< bos_token_id: what an empty prompt begins with
  // ---- how to sample; absent where it is not said, or do_sample is not set
  std::optional<double> temperature;
  std::optional<std::int64_t> top_k;
  std::optional<double> top_p;
  std::optional<double> min_p;
  std::optional<double> repetition_penalty;

  [[nodiscard]] bool recommends() const { return temperature || top_k || top_p || min_p || repetition_penalty; }
};

/// Throws Error, naming file, key, what was found and what is expected, for a value of another kind.
GenerationDefaults read_generation_defaults(const ModelConfig& config);

}  // namespace temper
