// What Gemma 2 and 3 have in common.
#pragma once

#include <vector>

#include "model/architectures/rotary_decoder.h"

namespace temper {

/// Everything but positions and windows. Throws Error for attention in both directions.
RotaryDecoder read_gemma_keys(const ConfigKeys& keys, const char* model_type, const DecoderDefaults& defaults);
/// A soft cap, `otherwise` where the key is absent; 0 where it is null: there is none.
float read_soft_cap(const ConfigKeys& keys, const ConfigKey& key, float otherwise);

}  // namespace temper
