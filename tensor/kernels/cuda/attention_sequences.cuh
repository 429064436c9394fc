// What all kernels of attention share: their arguments, their view of a packed batch, and the part of it that a block
// works on.
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
struct AttentionGrid {
  const std::int32_t* starts = nullptr;
  const std::int32_t* lengths = nullptr;  ///< null: sequences lie without gaps
  const std::uint32_t* examples = nullptr;
  const std::int32_t* query_starts = nullptr;  ///< null: every token is a query
  const std::uint32_t* query_positions = nullptr;
  std::int64_t sequences = 0;
  std::int64_t longest = 0;
  std::int64_t tokens = 0;   ///< rows of keys of the batch
  std::int64_t queries = 0;  ///< of the batch
  int heads = 0;             ///< of queries
  int group = 1;             ///< heads of queries that share one of keys
  int width = 0;             ///< of a head of queries or keys
  int value_width = 0;
  int tiles = 0;  ///< of the grid, for each sequence
  float scale = 0;
  int left = 0;  ///< a query sees keys from so many places before it
  int right = 0;
  bool sees_all = true;
  float soft_cap = 0;  ///< 0: none
  RelativeTerms relative;
  DropoutMask dropout;

  /// The same cut into tiles of `rows` rows.
  [[nodiscard]] AttentionGrid in_tiles_of(int rows) const {
    AttentionGrid result = *this;
    result.tiles = static_cast<int>((longest + rows - 1) / rows);
    return result;
  }
  /// A block for each tile of each head of queries, or of keys.
  [[nodiscard]] dim3 blocks() const { return {static_cast<unsigned>(sequences * tiles), static_cast<unsigned>(heads)}; }
  [[nodiscard]] dim3 blocks_of_keys() const {
    return {static_cast<unsigned>(sequences * tiles), static_cast<unsigned>(heads / group)};
  }
  /// A score is more than its product scaled.
  __host__ __device__ bool has_more_than_products() const {
    return soft_cap != 0.0F || relative.query.data != nullptr || relative.key.data != nullptr;
  }
  /// The call is softmax(scale q k^T) v of all keys, each head with keys of its own.
  [[nodiscard]] bool is_plain() const {
    return sees_all && group == 1 && width == value_width && !has_more_than_products();
  }
};

template <typename Call>
AttentionGrid attention_grid(const Call& call) {
  const PackedSequences& sequences = call.sequences;
  const AttentionShape& shape = call.shape;
  AttentionGrid grid;
  grid.starts = sequences.starts;
  grid.lengths = sequences.lengths;
  grid.examples = sequences.examples;
  grid.query_starts = sequences.query_starts;
  grid.query_positions = sequences.query_starts == nullptr ? nullptr : sequences.query_positions;
  grid.sequences = sequences.sequences;
  grid.longest = sequences.longest;
  grid.tokens = call.k.rows;
  grid.queries = call.q.rows;
  grid.heads = static_cast<int>(shape.query_heads);
  grid.group = static_cast<int>(shape.group());
  grid.width = static_cast<int>(shape.head_width);
  grid.value_width = static_cast<int>(shape.value_width);
  grid.scale = shape.scale;
  // No further than positions reach, so that sums with positions fit.
  const std::int64_t most = sequences.longest;
  grid.left = static_cast<int>(shape.left() < most ? shape.left() : most);
  grid.right = static_cast<int>(shape.right() < most ? shape.right() : most);
  grid.sees_all = shape.sees_all();
  grid.soft_cap = shape.soft_cap;
  grid.relative = call.relative;
  grid.dropout = mask_of(call.dropout);
  return grid;
}

/// The sequence, head and tile of a block.
struct BlockPart {
  std::int64_t token_start;  ///< row of the sequence's first token
  std::int64_t query_start;  ///< row of its first query
  int head;                  ///< of queries
  int key_head;
  int tokens;
  int queries;
  int first;  ///< row of the sequence with which the tile begins
  std::uint32_t example;
  PhiloxKey key;
  const std::uint32_t* positions;  ///< of the queries; null: 0, 1, 2, ...

  /// The position of a query in its sequence.
  __device__ std::uint32_t position(int query) const {
    return positions == nullptr ? static_cast<std::uint32_t>(query) : positions[query];
  }
  /// First columns of the head.
  __device__ std::int64_t q_column(const AttentionGrid& grid) const {
    return static_cast<std::int64_t>(head) * grid.width;
  }
  __device__ std::int64_t k_column(const AttentionGrid& grid) const {
    return static_cast<std::int64_t>(key_head) * grid.width;
  }
  __device__ std::int64_t v_column(const AttentionGrid& grid) const {
    return static_cast<std::int64_t>(key_head) * grid.value_width;
  }
  __device__ std::int64_t out_column(const AttentionGrid& grid) const {
    return static_cast<std::int64_t>(head) * grid.value_width;
  }
};

/// Of a sequence, with the head and the tile still to be told.
__device__ inline BlockPart part_of_sequence(const AttentionGrid& grid, int sequence) {
  BlockPart part{};
  part.token_start = grid.starts[sequence];
  part.tokens = grid.lengths != nullptr ? grid.lengths[sequence] : grid.starts[sequence + 1] - grid.starts[sequence];
  part.query_start = grid.query_starts != nullptr ? grid.query_starts[sequence] : part.token_start;
  part.queries =
      grid.query_starts != nullptr ? grid.query_starts[sequence + 1] - grid.query_starts[sequence] : part.tokens;
  if (grid.dropout.threshold != 0) {
    part.example = grid.examples[sequence];
    part.key = grid.dropout.current_key();
  }
  part.positions = grid.query_positions == nullptr ? nullptr : grid.query_positions + part.query_start;
  return part;
}

/// Of a block for a head of queries.
__device__ inline BlockPart part_of_block(const AttentionGrid& grid, int tile_rows) {
  BlockPart part = part_of_sequence(grid, static_cast<int>(blockIdx.x) / grid.tiles);
  part.head = static_cast<int>(blockIdx.y);
  part.key_head = part.head / grid.group;
  part.first = (static_cast<int>(blockIdx.x) % grid.tiles) * tile_rows;
  return part;
}

/// Of a block for a head of keys; `head` is the first that shares it.
__device__ inline BlockPart part_of_key_block(const AttentionGrid& grid, int tile_rows) {
  BlockPart part = part_of_block(grid, tile_rows);
  part.key_head = static_cast<int>(blockIdx.y);
  part.head = part.key_head * grid.group;
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
  AttentionGrid grid;
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
  float* ds;  ///< [heads, queries, longest]: gradients of scores that are seen, before the scale; null: not wanted
  AttentionGrid grid;
};

}  // namespace temper
