// What Gemma 2 and 3 have in common.
#pragma once

#include <cstdint>

#include "model/architectures/rotary_decoder.h"

namespace temper {

/// Everything but positions and windows; `vocabulary` and `positions` where the file does not say. Throws Error for
/// attention in both directions.
RotaryDecoder read_gemma_keys(const ConfigKeys& keys, const char* model_type, std::int64_t vocabulary,
                              std::int64_t positions);
/// A soft cap, `otherwise` where the key is absent; 0 where it is null: there is none.
float read_soft_cap(const ConfigKeys& keys, const ConfigKey& key, float otherwise);

}  // namespace temper
