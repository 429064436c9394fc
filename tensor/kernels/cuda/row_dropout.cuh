// Dropout of rows of activations, for the kernels that drop on the way.
#pragma once

#include <cstdint>

#include "tensor/kernels/cuda/dropout_mask.cuh"
#include "tensor/kernels/cuda/element.cuh"

namespace temper {

/// Drops or scales kWidth elements of a row from `column` on. A pack begins at a multiple of kPack.
template <int kWidth>
__device__ inline void drop_columns(const DropoutMask& mask, std::uint32_t example, std::uint32_t position,
                                    std::int64_t column, float (&values)[kWidth]) {
  const PhiloxCounter words = row_words(mask, example, position, static_cast<std::uint32_t>(column / kPack));
#pragma unroll
  for (int i = 0; i < kWidth; ++i) {
    values[i] *= dropout_factor(mask, half_word(words, kWidth == kPack ? i : column));
  }
}

}  // namespace temper
