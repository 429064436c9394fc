// What all kernels of attention share: what they are called with, how they see a packed batch, and which part of it a
// block works on.
//
// The grid is (sequences * tiles, heads), where `tiles` is what the longest sequence needs: a block whose sequence is
// too short for its tile has nothing to do and returns.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <cstdint>

#include "tensor/kernels.h"
#include "tensor/kernels/cuda/dropout_mask.cuh"

namespace temper {

constexpr float kLog2E = 1.4426950408889634F;

/// Rows of device memory, `stride` elements apart; `vectors` where every eighth element of a row lies at a multiple of
/// 16 bytes.
template <typename T>
struct DeviceRows {
  T* data = nullptr;
  std::int64_t stride = 0;
  bool vectors = false;
};

template <typename T, typename Void>
DeviceRows<T> device_rows(const RowsOf<Void>& rows) {
  constexpr std::uintptr_t kVector = 16;
  const auto address = reinterpret_cast<std::uintptr_t>(rows.data);
  return {static_cast<T*>(rows.data), rows.stride,
          address % kVector == 0 && static_cast<std::uintptr_t>(rows.stride) * sizeof(T) % kVector == 0};
}

/// What a kernel needs of PackedSequences, and of the call beside its matrices; passed by value.
struct AttentionShape {
  const std::int32_t* starts = nullptr;
  const std::uint32_t* examples = nullptr;
  const std::int32_t* query_starts = nullptr;  ///< `starts` where every token asks
  const std::uint32_t* query_positions = nullptr;
  std::int64_t sequences = 0;
  std::int64_t longest = 0;
  std::int64_t queries = 0;  ///< of the batch
  int heads = 0;
  int width = 0;  ///< of a head
  int tiles = 0;  ///< of the grid, for each sequence
  float scale = 0;
  DropoutMask dropout;

  /// The same cut into tiles of `rows` rows.
  [[nodiscard]] AttentionShape in_tiles_of(int rows) const {
    AttentionShape result = *this;
    result.tiles = static_cast<int>((longest + rows - 1) / rows);
    return result;
  }
  [[nodiscard]] dim3 grid() const { return {static_cast<unsigned>(sequences * tiles), static_cast<unsigned>(heads)}; }
};

inline AttentionShape attention_shape(const PackedSequences& sequences, std::int64_t queries, std::int64_t columns,
                                      std::int64_t heads, float scale, const Dropout& dropout) {
  AttentionShape shape;
  shape.starts = sequences.starts;
  shape.examples = sequences.examples;
  shape.query_starts = sequences.query_starts == nullptr ? sequences.starts : sequences.query_starts;
  shape.query_positions = sequences.query_starts == nullptr ? nullptr : sequences.query_positions;
  shape.sequences = sequences.sequences;
  shape.longest = sequences.longest;
  shape.queries = queries;
  shape.heads = static_cast<int>(heads);
  shape.width = static_cast<int>(columns / heads);
  shape.scale = scale;
  shape.dropout = mask_of(dropout);
  return shape;
}

/// The sequence, head and tile of a block.
struct BlockPart {
  std::int64_t token_start;  ///< row of the sequence's first token
  std::int64_t query_start;  ///< row of its first query
  std::int64_t column;       ///< first column of the head
  int head;
  int tokens;
  int queries;
  int first;  ///< row of the sequence with which the tile begins
  std::uint32_t example;
  PhiloxKey key;
  const std::uint32_t* positions;  ///< of the queries; null: 0, 1, 2, ...

  /// Where in its sequence a query asks.
  __device__ std::uint32_t position(int query) const {
    return positions == nullptr ? static_cast<std::uint32_t>(query) : positions[query];
  }
};

__device__ inline BlockPart part_of_block(const AttentionShape& shape, int tile_rows) {
  const int sequence = static_cast<int>(blockIdx.x) / shape.tiles;
  BlockPart part{};
  part.token_start = shape.starts[sequence];
  part.query_start = shape.query_starts[sequence];
  part.head = static_cast<int>(blockIdx.y);
  part.column = static_cast<std::int64_t>(part.head) * shape.width;
  part.tokens = shape.starts[sequence + 1] - shape.starts[sequence];
  part.queries = shape.query_starts[sequence + 1] - shape.query_starts[sequence];
  part.first = (static_cast<int>(blockIdx.x) % shape.tiles) * tile_rows;
  if (shape.dropout.threshold != 0) {
    part.example = shape.examples[sequence];
    part.key = shape.dropout.current_key();
  }
  part.positions = shape.query_positions == nullptr ? nullptr : shape.query_positions + part.query_start;
  return part;
}

/// The last word of the counter of a head's probabilities.
__device__ inline std::uint32_t last_word_of(const DropoutMask& mask, const BlockPart& part) {
  return mask.last_word + static_cast<std::uint32_t>(part.head);
}

/// What backward reads of each head and query beside its rows.
struct alignas(16) RowTerms {
  float log_sum_exp;
  float product;           ///< of the row of out with that of its gradient
  std::uint32_t position;  ///< where in its sequence the query asks
};

template <typename T>
struct AttentionForward {
  DeviceRows<const T> q;
  DeviceRows<const T> k;
  DeviceRows<const T> v;
  DeviceRows<T> out;
  float* log_sum_exp;  ///< [heads, queries], may be null
  AttentionShape shape;
};

template <typename T>
struct AttentionBackward {
  DeviceRows<const T> q;
  DeviceRows<const T> k;
  DeviceRows<const T> v;
  DeviceRows<const T> d_out;
  const RowTerms* terms;  ///< [heads, queries]
  DeviceRows<T> dq;
  DeviceRows<T> dk;
  DeviceRows<T> dv;
  AttentionShape shape;
};

}  // namespace temper
