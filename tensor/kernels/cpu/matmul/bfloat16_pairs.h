// Products of small matrices of bf16 by the processor's own instruction (AVX-512 BF16), which multiplies two pairs of
// bf16 and adds both products to an f32. Highway's release in Debian has no such operation, hence this room.
#pragma once

#include <cstdint>

namespace temper {

/// True where the processor has the instruction; elsewhere multiply_pairs must not be called.
bool has_bfloat16_pairs();
/// True where it also takes less time than two multiplications in f32: on Intel's processors attention takes longer
/// with it, on AMD's less (docs/performance.md).
bool bfloat16_pairs_pay();

/// The left operand: elements (i, 2 p) and (i, 2 p + 1) lie next to each other at byte i * row + p * inner.
struct PairOperand {
  const void* data;
  std::int64_t row;
  std::int64_t inner;
};

/// c [m, n] (+)= a [m, 2 pairs] b [2 pairs, n], where n is a multiple of 16. Element j of row p of b, `b_stride` words
/// of 4 bytes from row to row, is the pair of elements (2 p, j) and (2 p + 1, j), the first in the lower half.
void multiply_pairs(PairOperand a, const void* b, std::int64_t b_stride, std::int64_t m, std::int64_t n,
                    std::int64_t pairs, float* c, std::int64_t c_stride, bool accumulate);

}  // namespace temper
