// The square of a gradient's norm, chunk by chunk of the arena: summed in the same pieces whoever owns a chunk, so that
// the norm has the same bits on any number of ranks.
#pragma once

#include <cstdint>

#include "tensor/arena.h"
#include "tensor/kernels.h"

namespace temper {

/// The sum of squares of the elements of a chunk that can have a gradient. With idle elements, for devices that share
/// the host's memory alone.
void square_sum_of_chunk(Kernels& kernels, const ArenaLayout& layout, const float* gradients, std::int64_t chunk,
                         double* sum);

}  // namespace temper
