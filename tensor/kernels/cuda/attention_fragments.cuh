// How the tensor-core kernels of attention use tiles in shared memory and fragments in registers. A block has
// kBlockWarps warps. Tiles are [rows, kWidth] of bf16 in rows of kStride: eight elements more than the width, so that
// the eight rows of a matrix that ldmatrix reads lie in different banks.
//
// "Piece" is the unit of all loops: 16 rows of a tile, or 16 x 16 scores. How fragments lie in a warp is said in
// warp_matrix.cuh.
#pragma once

#include <cuda_bf16.h>

#include <cstdint>

#include "tensor/kernels/cuda/async_copy.cuh"
#include "tensor/kernels/cuda/attention_sequences.cuh"
#include "tensor/kernels/cuda/warp_matrix.cuh"

namespace temper {

constexpr int kBlockWarps = 4;
constexpr int kBlockThreads = 32 * kBlockWarps;
constexpr int kPiece = 16;
/// Elements that go as one to and from global memory: 16 bytes.
constexpr int kVector = 8;

template <int kWidth>
constexpr int kStride = kWidth + kVector;

struct Lane {
  int index;
  int warp;
  int group;
  int pair;
};

__device__ inline Lane this_lane() {
  const int index = static_cast<int>(threadIdx.x) % 32;
  return {index, static_cast<int>(threadIdx.x) / 32, index / 4, index % 4};
}

/// Starts to copy rows [first_row, first_row + rows) of a head into a tile of kRows rows; what lies beyond `rows` or
/// beyond the head's width becomes zero.
template <int kWidth, int kRows>
__device__ inline void load_tile(__nv_bfloat16* tile, const DeviceRows<const __nv_bfloat16>& x, std::int64_t first_row,
                                 std::int64_t column, int rows, int width) {
  constexpr int kVectors = kWidth / kVector;
  constexpr int kRowsAtOnce = kBlockThreads / kVectors;
  static_assert(kRows % kRowsAtOnce == 0);
  const int offset = static_cast<int>(threadIdx.x) % kVectors * kVector;
  int row = static_cast<int>(threadIdx.x) / kVectors;
  __nv_bfloat16* to = tile + row * kStride<kWidth> + offset;
  const __nv_bfloat16* from = x.data + (first_row + row) * x.stride + column + offset;
  if (x.vectors) {
#pragma unroll
    for (int step = 0; step < kRows / kRowsAtOnce; ++step) {
      copy_16_bytes(to, from, row < rows && offset < width);
      row += kRowsAtOnce;
      to += kRowsAtOnce * kStride<kWidth>;
      from += kRowsAtOnce * x.stride;
    }
    return;
  }
#pragma unroll 1
  for (; row < kRows; row += kRowsAtOnce) {
    const bool wanted = row < rows && offset < width;
#pragma unroll 1
    for (int j = 0; j < kVector; ++j) to[j] = wanted ? from[j] : __float2bfloat16_rn(0.0F);
    to += kRowsAtOnce * kStride<kWidth>;
    from += kRowsAtOnce * x.stride;
  }
}

/// Where a lane points for ldmatrix, as an offset into a piece: for A fragments and for transposed B fragments, whose
/// matrices follow one another down the rows first ...
template <int kWidth>
__device__ inline int offset_down(const Lane& lane) {
  return lane.index % 16 * kStride<kWidth> + lane.index / 16 * 8;
}
/// ... and for B fragments of rows that are multiplied with rows, whose matrices follow one another along the rows
/// first.
template <int kWidth>
__device__ inline int offset_along(const Lane& lane) {
  return (lane.index % 8 + lane.index / 16 * 8) * kStride<kWidth> + lane.index / 8 % 2 * 8;
}

/// c0 += a b0, c1 += a b1, where `b` holds two B fragments side by side.
__device__ inline void multiply_pair(float (&c0)[4], float (&c1)[4], const std::uint32_t (&a)[4],
                                     const std::uint32_t (&b)[4]) {
  const std::uint32_t b0[2] = {b[0], b[1]};
  const std::uint32_t b1[2] = {b[2], b[3]};
  warp_multiply(c0, a, b0);
  warp_multiply(c1, a, b1);
}

/// Two neighbouring C fragments [16, 8] as an A fragment [16, 16].
__device__ inline void as_left_operand(std::uint32_t (&a)[4], const float (&c0)[4], const float (&c1)[4]) {
  a[0] = pack_pair(c0[0], c0[1]);
  a[1] = pack_pair(c0[2], c0[3]);
  a[2] = pack_pair(c1[0], c1[1]);
  a[3] = pack_pair(c1[2], c1[3]);
}

/// Random half-words of 16 x 16 probabilities, two in a register, as the elements of the two C fragments side by side
/// lie: random[0] and [1] are the rows `group` and `group + 8` of the left one, [2] and [3] of the right one.
///
/// A Philox call gives the eight half-words of one query's row, which is a row of an 8 x 8 matrix of 16-bit elements:
/// each lane draws one row, and ldmatrix deals them out, as they are where queries are rows of the scores, transposed
/// where keys are.
struct PieceDropout {
  /// Of a block's shared memory.
  static constexpr int kBytes = kBlockWarps * 33 * static_cast<int>(sizeof(uint4));

  uint4* slots;  ///< [32] of the warp, and one for what all draws of a block have in common, for want of registers

  /// `room` [kBytes] lies at a multiple of 16.
  __device__ static PieceDropout in(unsigned char* room, const Lane& lane) {
    return {reinterpret_cast<uint4*>(room) + lane.warp * 33};
  }
  /// Before anything is drawn.
  __device__ void prepare(const DropoutMask& mask, const BlockPart& part, const Lane& lane) const {
    if (lane.index == 0) slots[32] = make_uint4(part.key[0], part.key[1], part.example, last_word_of(mask, part));
    __syncwarp();
  }

  /// The query, of 16, whose position draw wants to have of this lane.
  __device__ static int query_of(const Lane& lane) { return lane.index % 16; }
  __device__ void draw(std::uint32_t (&random)[4], std::uint32_t position, int first_key, const Lane& lane) const {
    store(position, first_key / 8 + lane.index / 16, lane);
    load_matrices(random, reinterpret_cast<const __nv_bfloat16*>(slots + lane.index));
    __syncwarp();
  }

  /// The same for scores with keys as rows and queries as columns.
  __device__ static int transposed_query_of(const Lane& lane) { return lane.index % 8 + lane.index / 16 * 8; }
  __device__ void draw_transposed(std::uint32_t (&random)[4], std::uint32_t position, int first_key,
                                  const Lane& lane) const {
    store(position, first_key / 8 + lane.index / 8 % 2, lane);
    load_matrices_transposed(random, reinterpret_cast<const __nv_bfloat16*>(slots + lane.index));
    __syncwarp();
  }

 private:
  __device__ void store(std::uint32_t position, int block, const Lane& lane) const {
    const uint4 common = slots[32];
    const PhiloxCounter words =
        philox({static_cast<std::uint32_t>(block), position, common.z, common.w}, {common.x, common.y});
    slots[lane.index] = make_uint4(words[0], words[1], words[2], words[3]);
    __syncwarp();
  }
};

/// Whether element i of a C fragment is dropped; `random` as PieceDropout gives it for rows `group` (i < 2) or
/// `group + 8`.
__device__ inline bool is_dropped(const DropoutMask& mask, std::uint32_t random, int i) {
  return (i % 2 == 0 ? random & 0xFFFFU : random >> 16U) < mask.threshold;
}

/// Writes a warp's 16 rows, row `group` multiplied by `factor` and row `group + 8` by `factor_below`, to rows
/// [first_row, first_row + rows) of a head. They pass through `room`, a piece of shared memory of the warp's own, so
/// that each lane writes 16 bytes.
template <int kWidth>
__device__ inline void store_rows(const float (&c)[kWidth / 8][4], float factor, float factor_below,
                                  __nv_bfloat16* room, const DeviceRows<__nv_bfloat16>& y, std::int64_t first_row,
                                  std::int64_t column, int rows, int width, const Lane& lane) {
#pragma unroll
  for (int n = 0; n < kWidth / 8; ++n) {
    __nv_bfloat16* at = room + lane.group * kStride<kWidth> + n * 8 + 2 * lane.pair;
    *reinterpret_cast<std::uint32_t*>(at) = pack_pair(c[n][0] * factor, c[n][1] * factor);
    *reinterpret_cast<std::uint32_t*>(at + 8 * kStride<kWidth>) =
        pack_pair(c[n][2] * factor_below, c[n][3] * factor_below);
  }
  __syncwarp();
  constexpr int kVectors = kWidth / kVector;
  __nv_bfloat16* to = y.data + first_row * y.stride + column;
#pragma unroll
  for (int step = 0; step < kPiece * kVectors / 32; ++step) {
    const int i = step * 32 + lane.index;
    const int row = i / kVectors;
    const int offset = i % kVectors * kVector;
    if (row >= rows || offset >= width) continue;
    const __nv_bfloat16* from = room + row * kStride<kWidth> + offset;
    __nv_bfloat16* target = to + row * y.stride + offset;
    if (y.vectors) {
      *reinterpret_cast<uint4*>(target) = *reinterpret_cast<const uint4*>(from);
    } else {
#pragma unroll 1
      for (int j = 0; j < kVector; ++j) target[j] = from[j];
    }
  }
  __syncwarp();
}

}  // namespace temper
