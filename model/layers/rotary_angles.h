// The angles of rotary position embeddings (Su et al. 2021), as transformers computes them.
#pragma once

#include <cstdint>

#include "tensor/ops/rotary.h"

namespace temper {

/// Pair i of columns / 2 turns by theta^(-2 i / columns) per position, in the roundings of f32 that PyTorch makes.
RotaryAngles rotary_angles(double theta, std::int64_t columns, RotaryPairs layout = RotaryPairs::halves);

}  // namespace temper
