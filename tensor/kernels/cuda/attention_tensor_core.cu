// Attention forward of bf16 heads on tensor cores, after Dao: "FlashAttention-2: faster attention with better
// parallelism and work partitioning", 2023. A block owns a tile of queries and goes through the keys in tiles of kKeys;
// a warp owns kRowPieces * 16 of the queries with all the keys of a tile, so that its scores, its probabilities and the
// running maximum and sum of the softmax never leave its registers.
//
// Keys and values of the next tile are on their way while a tile is worked on: two stages, of which the second holds
// the queries until they are in registers.
#include "tensor/kernels/cuda/attention_fragments.cuh"
#include "tensor/kernels/cuda/attention_tensor_core.h"
#include "tensor/kernels/cuda/dynamic_shared.cuh"
#include "tensor/kernels/cuda/launch.cuh"

namespace temper {
namespace {

constexpr int kKeys = 64;
constexpr int kStages = 2;

template <int kWidth>
constexpr int kTileElements = kKeys* kStride<kWidth>;
/// Keys and values of both stages.
template <int kWidth>
constexpr int kStageBytes = kStages * 2 * kTileElements<kWidth>* static_cast<int>(sizeof(__nv_bfloat16));

using ForwardCall = AttentionForward<__nv_bfloat16>;

/// What 16 rows of a warp have come to; a lane has rows `group` and `group + 8`.
template <int kWidth>
struct RunningOutput {
  float out[kWidth / 8][4] = {};
  float maximum[2] = {-INFINITY, -INFINITY};  ///< of the scores before they are scaled
  float sum[2] = {};                          ///< of the lane's own columns

  /// Scores become e^(scale (score - maximum so far)), and what came before is brought to the same maximum.
  __device__ void exponentiate(float (&scores)[kKeys / 8][4], float log2_scale) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float largest = maximum[half];
#pragma unroll
      for (int n = 0; n < kKeys / 8; ++n) largest = fmaxf(largest, fmaxf(scores[n][2 * half], scores[n][2 * half + 1]));
      largest = fmaxf(largest, __shfl_xor_sync(0xFFFFFFFFU, largest, 1));
      largest = fmaxf(largest, __shfl_xor_sync(0xFFFFFFFFU, largest, 2));
      const float rescale = exp2f((maximum[half] - largest) * log2_scale);
      const float shift = -largest * log2_scale;
      maximum[half] = largest;
      sum[half] *= rescale;
#pragma unroll
      for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
        for (int i = 2 * half; i < 2 * half + 2; ++i) {
          scores[n][i] = exp2f(fmaf(scores[n][i], log2_scale, shift));
          sum[half] += scores[n][i];
        }
      }
#pragma unroll
      for (int n = 0; n < kWidth / 8; ++n) {
        out[n][2 * half] *= rescale;
        out[n][2 * half + 1] *= rescale;
      }
    }
  }

  /// Sums over all columns.
  __device__ void complete_sums() {
#pragma unroll
    for (float& part : sum) {
      part += __shfl_xor_sync(0xFFFFFFFFU, part, 1);
      part += __shfl_xor_sync(0xFFFFFFFFU, part, 2);
    }
  }
};

/// Blocks that a multiprocessor is to hold at once, which share its 65536 registers.
template <int kWidth, int kRowPieces>
[[maybe_unused]] constexpr int kBlocks = kWidth == 32                      ? 4
                                         : kWidth == 64 && kRowPieces == 1 ? 3
                                                                           : 2;

template <int kWidth, int kRowPieces, bool kDropped>
__global__ void __launch_bounds__(kBlockThreads, kBlocks<kWidth, kRowPieces>)
    attention_forward_kernel(const ForwardCall call) {
  constexpr int kQueries = kBlockWarps * kRowPieces * kPiece;
  constexpr int kTile = kTileElements<kWidth>;
  static_assert(kQueries <= 2 * kKeys, "the queries have to fit in a stage");
  const BlockPart part = part_of_block(call.grid, kQueries);
  const std::int64_t column = part.q_column(call.grid);  // of all matrices alike
  if (part.first >= part.queries) return;
  const Lane lane = this_lane();
  const int width = call.grid.width;
  auto* tiles = reinterpret_cast<__nv_bfloat16*>(dynamic_shared());
  const PieceDropout dropout = PieceDropout::in(dynamic_shared() + kStageBytes<kWidth>, lane);
  if constexpr (kDropped) dropout.prepare(call.grid.dropout, part, lane);

  const auto load_stage = [&](int stage, int first_key) {
    __nv_bfloat16* keys = tiles + stage * 2 * kTile;
    const std::int64_t first_row = part.token_start + first_key;
    const int rows = part.tokens - first_key;
    load_tile<kWidth, kKeys>(keys, call.k, first_row, column, rows, width);
    load_tile<kWidth, kKeys>(keys + kTile, call.v, first_row, column, rows, width);
  };
  load_tile<kWidth, kQueries>(tiles + 2 * kTile, call.q, part.query_start + part.first, column,
                              part.queries - part.first, width);
  load_stage(0, 0);
  wait_for_copies();
  __syncthreads();

  const int own_row = lane.warp * kRowPieces * kPiece;  // in the tile
  const bool has_queries = part.first + own_row < part.queries;
  const int down = offset_down<kWidth>(lane);
  const int along = offset_along<kWidth>(lane);
  std::uint32_t queries[kRowPieces][kWidth / kPiece][4];
  std::uint32_t positions[kRowPieces];
#pragma unroll
  for (int m = 0; m < kRowPieces; ++m) {
#pragma unroll
    for (int c = 0; c < kWidth / kPiece; ++c)
      load_matrices(queries[m][c], tiles + 2 * kTile + (own_row + m * kPiece) * kStride<kWidth> + c * kPiece + down);
    if constexpr (kDropped) {
      const int query = part.first + own_row + m * kPiece + PieceDropout::query_of(lane);
      positions[m] = query < part.queries ? part.position(query) : 0;
    }
  }

  const float log2_scale = call.grid.scale * kLog2E;
  RunningOutput<kWidth> result[kRowPieces];
  for (int first_key = 0; first_key < part.tokens; first_key += kKeys) {
    wait_for_copies();
    __syncthreads();
    const int stage = first_key / kKeys % kStages;
    if (first_key + kKeys < part.tokens) load_stage(1 - stage, first_key + kKeys);
    if (!has_queries) continue;
    const __nv_bfloat16* keys = tiles + stage * 2 * kTile + along;
    const __nv_bfloat16* values = tiles + stage * 2 * kTile + kTile + down;

    float scores[kRowPieces][kKeys / 8][4] = {};
#pragma unroll
    for (int c = 0; c < kWidth / kPiece; ++c) {
#pragma unroll
      for (int j = 0; j < kKeys / kPiece; ++j) {
        std::uint32_t b[4];
        load_matrices(b, keys + j * kPiece * kStride<kWidth> + c * kPiece);
#pragma unroll
        for (int m = 0; m < kRowPieces; ++m) multiply_pair(scores[m][2 * j], scores[m][2 * j + 1], queries[m][c], b);
      }
    }
    if (first_key + kKeys > part.tokens) {
#pragma unroll
      for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          if (first_key + n * 8 + 2 * lane.pair + i % 2 < part.tokens) continue;
#pragma unroll
          for (int m = 0; m < kRowPieces; ++m) scores[m][n][i] = -INFINITY;
        }
      }
    }
#pragma unroll
    for (int m = 0; m < kRowPieces; ++m) result[m].exponentiate(scores[m], log2_scale);
#pragma unroll
    for (int j = 0; j < kKeys / kPiece; ++j) {
      std::uint32_t probabilities[kRowPieces][4];
#pragma unroll
      for (int m = 0; m < kRowPieces; ++m) {
        float(&left)[4] = scores[m][2 * j];
        float(&right)[4] = scores[m][2 * j + 1];
        if constexpr (kDropped) {
          std::uint32_t random[4];
          dropout.draw(random, positions[m], first_key + j * kPiece, lane);
#pragma unroll
          for (int i = 0; i < 4; ++i) {
            if (is_dropped(call.grid.dropout, random[i / 2], i)) left[i] = 0.0F;
            if (is_dropped(call.grid.dropout, random[2 + i / 2], i)) right[i] = 0.0F;
          }
        }
        as_left_operand(probabilities[m], left, right);
      }
#pragma unroll
      for (int n = 0; n < kWidth / 8; n += 2) {
        std::uint32_t b[4];
        load_matrices_transposed(b, values + j * kPiece * kStride<kWidth> + n * 8);
#pragma unroll
        for (int m = 0; m < kRowPieces; ++m) multiply_pair(result[m].out[n], result[m].out[n + 1], probabilities[m], b);
      }
    }
  }

  __syncthreads();  // the tiles have been read; now rows pass through them
  if (!has_queries) return;
#pragma unroll
  for (int m = 0; m < kRowPieces; ++m) {
    result[m].complete_sums();
    const int first = part.first + own_row + m * kPiece;
    // What is kept of the probabilities has not been scaled yet.
    store_rows<kWidth>(result[m].out, call.grid.dropout.scale / result[m].sum[0],
                       call.grid.dropout.scale / result[m].sum[1], tiles + own_row * kStride<kWidth>, call.out,
                       part.query_start + first, column, part.queries - first, width, lane);
    if (call.log_sum_exp == nullptr || lane.pair != 0) continue;
    float* to = call.log_sum_exp + part.head * call.grid.queries + part.query_start + first;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = lane.group + 8 * half;
      if (first + row < part.queries)
        to[row] = fmaf(result[m].maximum[half], call.grid.scale, logf(result[m].sum[half]));
    }
  }
}

template <int kWidth, int kRowPieces>
void start(const ForwardCall& call, cudaStream_t stream) {
  ForwardCall tiled = call;
  tiled.grid = call.grid.in_tiles_of(kBlockWarps * kRowPieces * kPiece);
  if (call.grid.dropout.threshold == 0)
    launch(attention_forward_kernel<kWidth, kRowPieces, false>, tiled.grid.blocks(), kBlockThreads, kStageBytes<kWidth>,
           stream, tiled);
  else
    launch(attention_forward_kernel<kWidth, kRowPieces, true>, tiled.grid.blocks(), kBlockThreads,
           kStageBytes<kWidth> + PieceDropout::kBytes, stream, tiled);
}

}  // namespace

void tensor_core_attention_forward(const AttentionForward<__nv_bfloat16>& call, cudaStream_t stream) {
  // Two pieces a warp halve what is read of keys and values from shared memory and from the cache. Narrower heads wait
  // for exponentials rather than for memory, wider ones have no registers left, and short sequences no rows.
  if (call.grid.width <= 32)
    start<32, 1>(call, stream);
  else if (call.grid.width <= 64 && call.grid.longest <= kBlockWarps * kPiece)
    start<64, 1>(call, stream);
  else if (call.grid.width <= 64)
    start<64, 2>(call, stream);
  else
    start<128, 1>(call, stream);
}

}  // namespace temper
