// Attention backward of bf16 heads on tensor cores. With P the probabilities, which are computed again from
// log_sum_exp, M the dropout mask with its scale, and D[i] = dO[i] . O[i]:
//   dV = (M P)^T dO,   dP = M (dO V^T),   dS = P (dP - D),   dQ = scale dS K,   dK = scale dS^T Q.
//
// Nothing is added to global memory: one kernel owns the keys and goes through the queries (dK, dV), another owns the
// queries and goes through the keys (dQ), so that every sum has its order, for the price of computing P and dP twice.
// A warp owns 16 rows, whose operands are A fragments, and goes through the tiles of the others in pieces of 16; in the
// first kernel the scores are therefore transposed, keys by queries. Scores live in registers only, a piece at a time.
#include "tensor/kernels/cuda/attention_fragments.cuh"
#include "tensor/kernels/cuda/attention_tensor_core.h"
#include "tensor/kernels/cuda/dynamic_shared.cuh"
#include "tensor/kernels/cuda/launch.cuh"

namespace temper {
namespace {

/// Rows of the tile that a block owns.
constexpr int kOwnRows = kBlockWarps * kPiece;
/// Rows of the tiles that it goes through, two matrices in each of two stages. Heads of 128 keep their own rows in
/// shared memory, for want of registers, and have less room for others.
template <int kWidth>
constexpr int kOtherRows = kWidth == 128 ? 32 : 64;
template <int kWidth>
constexpr bool kOwnRowsInRegisters = kWidth < 128;
/// Blocks that a multiprocessor is to hold at once, which share its 65536 registers.
template <int kWidth>
[[maybe_unused]] constexpr int kBlocks = kWidth == 32   ? 4
                                         : kWidth == 64 ? 3
                                                        : 2;

constexpr int kElementBytes = static_cast<int>(sizeof(__nv_bfloat16));
template <int kWidth>
constexpr int kOwnElements = kOwnRows* kStride<kWidth>;
template <int kWidth>
constexpr int kOtherElements = kOtherRows<kWidth>* kStride<kWidth>;
/// Shared memory: the tiles, then the terms of the queries, then the random words.
template <int kWidth>
constexpr int kTileBytes = kElementBytes*(4 * kOtherElements<kWidth> +
                                          (kOwnRowsInRegisters<kWidth> ? 0 : 2 * kOwnElements<kWidth>));
template <int kWidth>
constexpr int kTermBytes = 2 * kOtherRows<kWidth>* static_cast<int>(sizeof(RowTerms));

using BackwardCall = AttentionBackward<__nv_bfloat16>;

/// The 16 rows of a warp in two matrices, as A fragments: in registers if they fit, else read anew for every piece.
template <int kWidth>
class OwnRows {
 public:
  /// Both tiles in shared memory; `offset` leads to what this lane reads.
  __device__ OwnRows(const __nv_bfloat16* first, const __nv_bfloat16* second, int offset)
      : first_(first + offset), second_(second + offset) {
    if constexpr (kOwnRowsInRegisters<kWidth>) {
#pragma unroll
      for (int c = 0; c < kWidth / kPiece; ++c) {
        load_matrices(fragments_[0][c], first_ + c * kPiece);
        load_matrices(fragments_[1][c], second_ + c * kPiece);
      }
    }
  }

  /// products = own rows times 16 rows of another tile, for both pairs of matrices.
  __device__ void multiply(const __nv_bfloat16* first, const __nv_bfloat16* second, float (&first_products)[2][4],
                           float (&second_products)[2][4]) const {
#pragma unroll
    for (int c = 0; c < kWidth / kPiece; ++c) {
      std::uint32_t b[4];
      load_matrices(b, first + c * kPiece);
      multiply_one(first_products, 0, c, first_, b);
      load_matrices(b, second + c * kPiece);
      multiply_one(second_products, 1, c, second_, b);
    }
  }

 private:
  __device__ void multiply_one(float (&products)[2][4], int matrix, int c, const __nv_bfloat16* own,
                               const std::uint32_t (&b)[4]) const {
    if constexpr (kOwnRowsInRegisters<kWidth>) {
      multiply_pair(products[0], products[1], fragments_[matrix][c], b);
    } else {
      std::uint32_t a[4];
      load_matrices(a, own + c * kPiece);
      multiply_pair(products[0], products[1], a, b);
    }
  }

  const __nv_bfloat16* first_;
  const __nv_bfloat16* second_;
  std::uint32_t fragments_[2][kOwnRowsInRegisters<kWidth> ? kWidth / kPiece : 1][4];
};

/// sums [16, kWidth] += a [16, 16] times 16 rows of a tile.
template <int kWidth>
__device__ inline void add_product(float (&sums)[kWidth / 8][4], const std::uint32_t (&a)[4],
                                   const __nv_bfloat16* rows) {
#pragma unroll
  for (int n = 0; n < kWidth / 8; n += 2) {
    std::uint32_t b[4];
    load_matrices_transposed(b, rows + n * 8);
    multiply_pair(sums[n], sums[n + 1], a, b);
  }
}

/// A block owns a tile of keys.
template <int kWidth, bool kDropped>
__global__ void __launch_bounds__(kBlockThreads, kBlocks<kWidth>) attention_d_keys_kernel(const BackwardCall call) {
  constexpr int kQueries = kOtherRows<kWidth>;
  constexpr int kTile = kOtherElements<kWidth>;
  const BlockPart part = part_of_block(call.grid, kOwnRows);
  const std::int64_t column = part.q_column(call.grid);  // of all matrices alike
  if (part.first >= part.tokens) return;
  const Lane lane = this_lane();
  const int width = call.grid.width;
  const int own_row = lane.warp * kPiece;  // in the tile
  const bool has_keys = part.first + own_row < part.tokens;
  const int along = offset_along<kWidth>(lane);
  const int down = offset_down<kWidth>(lane);
  // Queries and their gradients of stage 0, of stage 1; own rows come behind them, or are the first guests of stage 1.
  auto* tiles = reinterpret_cast<__nv_bfloat16*>(dynamic_shared());
  __nv_bfloat16* own_keys = tiles + (kOwnRowsInRegisters<kWidth> ? 2 : 4) * kTile;
  __nv_bfloat16* own_values = own_keys + kOwnElements<kWidth>;
  auto* all_terms = reinterpret_cast<RowTerms*>(dynamic_shared() + kTileBytes<kWidth>);
  const PieceDropout dropout = PieceDropout::in(dynamic_shared() + kTileBytes<kWidth> + kTermBytes<kWidth>, lane);
  if constexpr (kDropped) dropout.prepare(call.grid.dropout, part, lane);

  const auto load_stage = [&](int stage, int first_query) {
    __nv_bfloat16* to = tiles + stage * 2 * kTile;
    const std::int64_t first_row = part.query_start + first_query;
    const int rows = part.queries - first_query;
    load_tile<kWidth, kQueries>(to, call.q, first_row, column, rows, width);
    load_tile<kWidth, kQueries>(to + kTile, call.d_out, first_row, column, rows, width);
    // A query beyond the last has zeros everywhere: its probabilities are 1, and their products with zeros vanish.
    const int row = static_cast<int>(threadIdx.x);
    if (row < kQueries)
      copy_16_bytes(all_terms + stage * kQueries + row, call.terms + part.head * call.grid.queries + first_row + row,
                    row < rows);
  };
  const std::int64_t first_token = part.token_start + part.first;
  const int tokens = part.tokens - part.first;
  load_tile<kWidth, kOwnRows>(own_keys, call.k, first_token, column, tokens, width);
  load_tile<kWidth, kOwnRows>(own_values, call.v, first_token, column, tokens, width);
  load_stage(0, 0);
  wait_for_copies();
  __syncthreads();
  const OwnRows<kWidth> own(own_keys, own_values, own_row * kStride<kWidth> + down);

  const float log2_scale = call.grid.scale * kLog2E;
  float d_keys[kWidth / 8][4] = {};
  float d_values[kWidth / 8][4] = {};
  for (int first_query = 0; first_query < part.queries; first_query += kQueries) {
    wait_for_copies();
    __syncthreads();
    const int stage = first_query / kQueries % 2;
    if (first_query + kQueries < part.queries) load_stage(1 - stage, first_query + kQueries);
    if (!has_keys) continue;
    const __nv_bfloat16* queries = tiles + stage * 2 * kTile;
    const __nv_bfloat16* d_outs = queries + kTile;
    const RowTerms* terms = all_terms + stage * kQueries;
    const int rows = min(kQueries, part.queries - first_query);
#pragma unroll 1
    for (int piece = 0; piece < rows; piece += kPiece) {
      const int at = piece * kStride<kWidth>;
      float p[2][4] = {};
      float ds[2][4] = {};
      own.multiply(queries + at + along, d_outs + at + along, p, ds);
      std::uint32_t random[4] = {};
      if constexpr (kDropped)
        dropout.draw_transposed(random, terms[piece + PieceDropout::transposed_query_of(lane)].position,
                                part.first + own_row, lane);
#pragma unroll
      for (int n = 0; n < 2; ++n) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const RowTerms& query = terms[piece + n * 8 + 2 * lane.pair + i % 2];
          const float probability = exp2f(fmaf(p[n][i], log2_scale, -query.log_sum_exp));
          const bool dropped = kDropped && is_dropped(call.grid.dropout, random[2 * n + i / 2], i);
          const float factor = dropped ? 0.0F : call.grid.dropout.scale;
          p[n][i] = dropped ? 0.0F : probability;
          ds[n][i] = probability * fmaf(ds[n][i], factor, -query.product);
        }
      }
      std::uint32_t a[4];
      as_left_operand(a, p[0], p[1]);
      add_product<kWidth>(d_values, a, d_outs + at + down);
      as_left_operand(a, ds[0], ds[1]);
      add_product<kWidth>(d_keys, a, queries + at + down);
    }
  }

  __syncthreads();  // the tiles have been read; now rows pass through them
  if (!has_keys) return;
  __nv_bfloat16* room = tiles + own_row * kStride<kWidth>;
  store_rows<kWidth>(d_keys, call.grid.scale, call.grid.scale, room, call.dk, first_token + own_row, column,
                     tokens - own_row, width, lane);
  store_rows<kWidth>(d_values, call.grid.dropout.scale, call.grid.dropout.scale, room, call.dv, first_token + own_row,
                     column, tokens - own_row, width, lane);
}

/// A block owns a tile of queries.
template <int kWidth, bool kDropped>
__global__ void __launch_bounds__(kBlockThreads, kBlocks<kWidth>) attention_d_queries_kernel(const BackwardCall call) {
  constexpr int kKeys = kOtherRows<kWidth>;
  constexpr int kTile = kOtherElements<kWidth>;
  const BlockPart part = part_of_block(call.grid, kOwnRows);
  const std::int64_t column = part.q_column(call.grid);  // of all matrices alike
  if (part.first >= part.queries) return;
  const Lane lane = this_lane();
  const int width = call.grid.width;
  const int own_row = lane.warp * kPiece;  // in the tile
  const bool has_queries = part.first + own_row < part.queries;
  const int along = offset_along<kWidth>(lane);
  const int down = offset_down<kWidth>(lane);
  // As above, with keys and values in the stages.
  auto* tiles = reinterpret_cast<__nv_bfloat16*>(dynamic_shared());
  __nv_bfloat16* own_queries = tiles + (kOwnRowsInRegisters<kWidth> ? 2 : 4) * kTile;
  __nv_bfloat16* own_d_outs = own_queries + kOwnElements<kWidth>;
  const PieceDropout dropout = PieceDropout::in(dynamic_shared() + kTileBytes<kWidth>, lane);
  if constexpr (kDropped) dropout.prepare(call.grid.dropout, part, lane);

  const auto load_stage = [&](int stage, int first_key) {
    __nv_bfloat16* to = tiles + stage * 2 * kTile;
    const std::int64_t first_row = part.token_start + first_key;
    const int rows = part.tokens - first_key;
    load_tile<kWidth, kKeys>(to, call.k, first_row, column, rows, width);
    load_tile<kWidth, kKeys>(to + kTile, call.v, first_row, column, rows, width);
  };
  const std::int64_t first_query = part.query_start + part.first;
  const int queries = part.queries - part.first;
  load_tile<kWidth, kOwnRows>(own_queries, call.q, first_query, column, queries, width);
  load_tile<kWidth, kOwnRows>(own_d_outs, call.d_out, first_query, column, queries, width);
  load_stage(0, 0);
  wait_for_copies();
  __syncthreads();
  const OwnRows<kWidth> own(own_queries, own_d_outs, own_row * kStride<kWidth> + down);

  // Rows beyond the last query have zeros as queries and as gradients, and are not written.
  const RowTerms* terms = call.terms + part.head * call.grid.queries + first_query + own_row;
  const int last = queries - own_row - 1;
  float log_sum_exp[2] = {};
  float product[2] = {};
  std::uint32_t position = 0;
  if (has_queries) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const RowTerms& row = terms[min(lane.group + 8 * half, last)];
      log_sum_exp[half] = row.log_sum_exp;
      product[half] = row.product;
    }
    position = terms[min(PieceDropout::query_of(lane), last)].position;
  }

  const float log2_scale = call.grid.scale * kLog2E;
  float d_queries[kWidth / 8][4] = {};
  for (int first_key = 0; first_key < part.tokens; first_key += kKeys) {
    wait_for_copies();
    __syncthreads();
    const int stage = first_key / kKeys % 2;
    if (first_key + kKeys < part.tokens) load_stage(1 - stage, first_key + kKeys);
    if (!has_queries) continue;
    const __nv_bfloat16* keys = tiles + stage * 2 * kTile;
    const __nv_bfloat16* values = keys + kTile;
    const int rows = min(kKeys, part.tokens - first_key);
#pragma unroll 1
    for (int piece = 0; piece < rows; piece += kPiece) {
      const int at = piece * kStride<kWidth>;
      float p[2][4] = {};
      float ds[2][4] = {};
      own.multiply(keys + at + along, values + at + along, p, ds);
      // A key beyond the last is zero, but without this its probability may be beyond all bounds.
      if (piece + kPiece > rows) {
#pragma unroll
        for (int n = 0; n < 2; ++n) {
#pragma unroll
          for (int i = 0; i < 4; ++i)
            if (piece + n * 8 + 2 * lane.pair + i % 2 >= rows) p[n][i] = -INFINITY;
        }
      }
      std::uint32_t random[4] = {};
      if constexpr (kDropped) dropout.draw(random, position, first_key + piece, lane);
#pragma unroll
      for (int n = 0; n < 2; ++n) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const float probability = exp2f(fmaf(p[n][i], log2_scale, -log_sum_exp[i / 2]));
          const bool dropped = kDropped && is_dropped(call.grid.dropout, random[2 * n + i / 2], i);
          const float factor = dropped ? 0.0F : call.grid.dropout.scale;
          ds[n][i] = probability * fmaf(ds[n][i], factor, -product[i / 2]);
        }
      }
      std::uint32_t a[4];
      as_left_operand(a, ds[0], ds[1]);
      add_product<kWidth>(d_queries, a, keys + at + down);
    }
  }

  __syncthreads();  // the tiles have been read; now rows pass through them
  if (!has_queries) return;
  store_rows<kWidth>(d_queries, call.grid.scale, call.grid.scale, tiles + own_row * kStride<kWidth>, call.dq,
                     first_query + own_row, column, queries - own_row, width, lane);
}

template <int kWidth, bool kDropped>
void start(const BackwardCall& call, cudaStream_t stream) {
  const std::size_t slots = kDropped ? PieceDropout::kBytes : 0;
  launch(attention_d_keys_kernel<kWidth, kDropped>, call.grid.blocks(), kBlockThreads,
         kTileBytes<kWidth> + kTermBytes<kWidth> + slots, stream, call);
  launch(attention_d_queries_kernel<kWidth, kDropped>, call.grid.blocks(), kBlockThreads, kTileBytes<kWidth> + slots,
         stream, call);
}

template <int kWidth>
void start(const BackwardCall& call, cudaStream_t stream) {
  if (call.grid.dropout.threshold == 0)
    start<kWidth, false>(call, stream);
  else
    start<kWidth, true>(call, stream);
}

}  // namespace

void tensor_core_attention_backward(const AttentionBackward<__nv_bfloat16>& call, cudaStream_t stream) {
  BackwardCall tiled = call;
  tiled.grid = call.grid.in_tiles_of(kOwnRows);
  if (call.grid.width <= 32)
    start<32>(tiled, stream);
  else if (call.grid.width <= 64)
    start<64>(tiled, stream);
  else
    start<128>(tiled, stream);
}

}  // namespace temper
