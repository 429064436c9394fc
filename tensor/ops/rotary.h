// Rotary position embedding (tensor/calls/rotary.h).
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/calls/rotary.h"
#include "tensor/tape.h"

namespace temper {

/// How heads are turned. The frequencies of a model decide all that is special: theta, stretched contexts.
struct RotaryAngles {
  std::vector<float> frequencies;  ///< [pairs], radians per position; a head's columns beyond 2 * pairs stay
  RotaryPairs layout = RotaryPairs::halves;
  float scale = 1.0F;  ///< of all sines and cosines
  // ---- of sequences longer than usual_length, where that is not 0 (calls::Rotate)
  std::int64_t usual_length = 0;
  std::vector<float> long_frequencies = {};
  float growth = 0.0F;
};

/// Heads that lie side by side in the columns of a matrix.
struct HeadColumns {
  std::int64_t first = 0;  ///< column
  std::int64_t heads = 0;
  std::int64_t head_width = 0;
};

/// Turns heads of queries and keys in place: x, [rows, columns], which one op has just given and none has read yet, has
/// other values from here on, and its gradient is turned back before it is handed down. `positions` u32 [rows], on the
/// device, must live until backward, and so must the arrays of `sequences`, of which the rows are queries: they are
/// read where angles depend on the lengths of sequences. Throws Error for heads beyond the end, and for more pairs than
/// a head has.
void rotate(Tape& tape, const Variable& x, const HeadColumns& heads, const std::uint32_t* positions,
            const RotaryAngles& angles, const PackedSequences& sequences = {});

}  // namespace temper
