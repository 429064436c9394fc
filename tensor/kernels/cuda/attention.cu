// Attention on CUDA cores, for f32 and for what the tensor-core kernels do not take, and the choice between the two.
//
// In all three kernels a warp owns some rows, of queries or of keys, and goes through the others in tiles of 32: each
// lane has one row of the tile where scores are computed, and some columns of all of its rows where rows are summed.
// In between, what the lanes have of the scores passes through shared memory of the warp's own. All arithmetic is f32.
#include <algorithm>
#include <initializer_list>

#include "tensor/kernels/cuda/attention_sequences.cuh"
#include "tensor/kernels/cuda/attention_tensor_core.h"
#include "tensor/kernels/cuda/attention_terms.cuh"
#include "tensor/kernels/cuda/cuda_kernels.h"
#include "tensor/kernels/cuda/cuda_status.h"
#include "tensor/kernels/cuda/dynamic_shared.cuh"
#include "tensor/kernels/cuda/element.cuh"
#include "tensor/kernels/cuda/launch.cuh"
#include "tensor/kernels/cuda/scratch.h"

namespace temper {
namespace {

constexpr int kLanes = 32;
constexpr int kBlockWarps = 4;
constexpr int kBlockThreads = kLanes * kBlockWarps;
constexpr int kMostWidth = 256;

/// How a head of up to kWidth columns is cut up; kWidth is a multiple of 32.
template <int kWidth>
struct Cut {
  static constexpr int kRows = kWidth > 128 ? 4 : 8;  ///< of a warp: their sums fill its registers
  static constexpr int kOwnRows = kRows * kBlockWarps;
  static constexpr int kColumns = kWidth / kLanes;  ///< of a lane
  static constexpr int kStride = kWidth + 4;        ///< of tiles: lanes that read their rows use different banks
  static constexpr int kOwnFloats = kOwnRows * kWidth;
  static constexpr int kTileFloats = kLanes * kStride;
  static constexpr int kWeightFloats = kOwnRows * kLanes;
};

/// Copies rows [first_row, first_row + rows) of a head to shared memory, kRows rows of kStride; what lies beyond `rows`
/// or beyond the head's width, up to kWidth, becomes zero.
template <int kWidth, int kRows, int kStride, typename T>
__device__ void load_rows(float* to, const DeviceRows<const T>& x, std::int64_t first_row, std::int64_t column,
                          int rows, int width) {
  const T* from = x.data + first_row * x.stride + column;
  if (x.vectors && width % kPack == 0) {
#pragma unroll 2
    for (int i = static_cast<int>(threadIdx.x); i < kRows * kWidth / kPack; i += kBlockThreads) {
      const int row = i / (kWidth / kPack);
      const int c = i % (kWidth / kPack) * kPack;
      float values[kPack];
      load<kPack>(from + row * x.stride + c, row < rows && c < width ? kPack : 0, values);
      auto* four = reinterpret_cast<float4*>(to + row * kStride + c);
      four[0] = make_float4(values[0], values[1], values[2], values[3]);
      four[1] = make_float4(values[4], values[5], values[6], values[7]);
    }
    return;
  }
  for (int i = static_cast<int>(threadIdx.x); i < kRows * kWidth; i += kBlockThreads) {
    const int row = i / kWidth;
    const int c = i % kWidth;
    to[row * kStride + c] = row < rows && c < width ? read(from + row * x.stride + c) : 0.0F;
  }
}

/// products[r] = row r of the warp's own . this lane's row of the tile.
template <int kWidth>
__device__ void multiply_rows(const float* own, const float* tile, int lane, float (&products)[Cut<kWidth>::kRows]) {
  const auto* tile_row = reinterpret_cast<const float4*>(tile + lane * Cut<kWidth>::kStride);
  for (float& product : products) product = 0.0F;
#pragma unroll 4
  for (int c = 0; c < kWidth / 4; ++c) {
    const float4 b = tile_row[c];
#pragma unroll
    for (int r = 0; r < Cut<kWidth>::kRows; ++r) {
      const float4 a = reinterpret_cast<const float4*>(own + r * kWidth)[c];
      products[r] = fmaf(a.x, b.x, products[r]);
      products[r] = fmaf(a.y, b.y, products[r]);
      products[r] = fmaf(a.z, b.z, products[r]);
      products[r] = fmaf(a.w, b.w, products[r]);
    }
  }
}

/// sums [kRows, kWidth] += weights [kRows, 32] times the tile, where a lane brings the weights of its row of the tile
/// and has every 32nd column of the sums. `room` is the warp's own.
template <int kWidth>
__device__ void add_weighted_rows(const float (&weights)[Cut<kWidth>::kRows], const float* tile, int lane, float* room,
                                  float (&sums)[Cut<kWidth>::kRows][Cut<kWidth>::kColumns]) {
  constexpr int kRows = Cut<kWidth>::kRows;
#pragma unroll
  for (int r = 0; r < kRows; ++r) room[r * kLanes + lane] = weights[r];
  __syncwarp();
#pragma unroll 1
  for (int j = 0; j < kLanes; j += 4) {
    float w[kRows][4];
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const float4 four = *reinterpret_cast<const float4*>(room + r * kLanes + j);
      w[r][0] = four.x;
      w[r][1] = four.y;
      w[r][2] = four.z;
      w[r][3] = four.w;
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
#pragma unroll
      for (int c = 0; c < Cut<kWidth>::kColumns; ++c) {
        const float b = tile[(j + i) * Cut<kWidth>::kStride + c * kLanes + lane];
#pragma unroll
        for (int r = 0; r < kRows; ++r) sums[r][c] = fmaf(w[r][i], b, sums[r][c]);
      }
    }
  }
  __syncwarp();
}

/// The random words of eight neighbouring keys, [8 block, 8 block + 8), for a query at `position`.
__device__ inline PhiloxCounter probability_words(const DropoutMask& mask, const BlockPart& part,
                                                  std::uint32_t position, int block) {
  return philox({static_cast<std::uint32_t>(block), position, part.example, last_word_of(mask, part)}, part.key);
}

/// factors[r]: the dropout mask, with its scale, of row r of the warp's own queries and this lane's key, key
/// first_key + lane. A lane draws for one of the rows and eight of the keys, and they meet in `room`, the warp's own.
template <int kRows>
__device__ void draw_for_queries(const DropoutMask& mask, const BlockPart& part, int first_query, int first_key,
                                 int lane, float* room, float (&factors)[kRows]) {
  const int row = lane % 8;
  if (row < kRows && first_query + row < part.queries) {
    const int block = lane / 8;
    const PhiloxCounter words = probability_words(mask, part, part.position(first_query + row), first_key / 8 + block);
    reinterpret_cast<uint4*>(room)[row * 4 + block] = make_uint4(words[0], words[1], words[2], words[3]);
  }
  __syncwarp();
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    const std::uint32_t two = reinterpret_cast<const std::uint32_t*>(room)[r * (kLanes / 2) + lane / 2];
    factors[r] = dropout_factor(mask, lane % 2 == 0 ? two & 0xFFFFU : two >> 16U);
  }
  __syncwarp();
}

/// The same where the warp owns keys, first_key + r, and the lane has a query, which asks at `position`.
template <int kRows>
__device__ void draw_for_keys(const DropoutMask& mask, const BlockPart& part, std::uint32_t position, int first_key,
                              float (&factors)[kRows]) {
  const PhiloxCounter words = probability_words(mask, part, position, first_key / 8);
  const bool upper_half = first_key % 8 != 0;  // the second four keys of eight
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    const std::uint32_t two = kRows == 4 && upper_half ? words[2 + r / 2 % 2] : words[r / 2];
    factors[r] = dropout_factor(mask, r % 2 == 0 ? two & 0xFFFFU : two >> 16U);
  }
}

__device__ inline float sum_of_lanes(float x) {
#pragma unroll
  for (int distance = kLanes / 2; distance > 0; distance /= 2) x += __shfl_xor_sync(0xFFFFFFFFU, x, distance);
  return x;
}
__device__ inline float maximum_of_lanes(float x) {
#pragma unroll
  for (int distance = kLanes / 2; distance > 0; distance /= 2) x = fmaxf(x, __shfl_xor_sync(0xFFFFFFFFU, x, distance));
  return x;
}

template <typename T, int kWidth>
__device__ void write_rows(const float (&sums)[Cut<kWidth>::kRows][Cut<kWidth>::kColumns], const DeviceRows<T>& y,
                           std::int64_t first_row, std::int64_t column, int rows, int width, int lane) {
  for (int r = 0; r < Cut<kWidth>::kRows; ++r) {
    for (int c = 0; c < Cut<kWidth>::kColumns; ++c) {
      const int at = c * kLanes + lane;
      if (r < rows && at < width) write(sums[r][c], y.data + (first_row + r) * y.stride + column + at);
    }
  }
}

/// What a call adds to the products of a query at `position` and a key: terms of their distance, and a cap. `query` and
/// `key` are rows of the batch.
__device__ inline float finished_score(const AttentionGrid& grid, const BlockPart& part, float product,
                                       std::int64_t query, int position, int key) {
  float score = product * grid.scale;
  const RelativeTerms& relative = grid.relative;
  if (relative.buckets != nullptr) {
    const std::int64_t bucket = relative.buckets[position - key + relative.reach - 1] - relative.first_bucket;
    float terms = 0.0F;
    if (relative.query.data != nullptr) terms += read_term(relative.query, query, part.head, bucket);
    if (relative.key.data != nullptr) terms += read_term(relative.key, part.token_start + key, part.head, bucket);
    score = fmaf(terms, relative.scale, score);
  }
  return grid.soft_cap == 0.0F ? score : grid.soft_cap * tanhf(score / grid.soft_cap);
}

/// By what the gradient of a score before its cap is less than that behind it.
__device__ inline float cap_slope(const AttentionGrid& grid, float score) {
  if (grid.soft_cap == 0.0F) return 1.0F;
  const float part_of_cap = score / grid.soft_cap;
  return fmaf(-part_of_cap, part_of_cap, 1.0F);
}

/// Keys that any of the queries [first, end) of a sequence sees: [begin, end) of them.
struct SeenKeys {
  int begin;
  int end;
};
__device__ inline SeenKeys keys_seen(const AttentionGrid& grid, const BlockPart& part, int first, int end) {
  if (grid.sees_all) return {0, part.tokens};
  SeenKeys seen{part.tokens, 0};
  for (int query = first; query < min(end, part.queries); ++query) {
    const int position = static_cast<int>(part.position(query));
    seen.begin = min(seen.begin, max(position - grid.left, 0));
    seen.end = max(seen.end, min(position + grid.right + 1, part.tokens));
  }
  return seen;
}
__device__ inline bool sees(const AttentionGrid& grid, int position, int key) {
  return grid.sees_all || (key >= position - grid.left && key <= position + grid.right);
}

/// A block owns a tile of queries and goes through the keys, with a running maximum and sum.
template <typename T, int kWidth>
__global__ void __launch_bounds__(kBlockThreads, 2) attention_forward_kernel(const AttentionForward<T> call) {
  using Size = Cut<kWidth>;
  constexpr int kRows = Size::kRows;
  const AttentionGrid& grid = call.grid;
  const BlockPart part = part_of_block(grid, Size::kOwnRows);
  if (part.first >= part.queries) return;
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  const int own_row = static_cast<int>(threadIdx.x) / kLanes * kRows;
  auto* queries = reinterpret_cast<float*>(dynamic_shared());
  float* keys = queries + Size::kOwnFloats;
  float* values = keys + Size::kTileFloats;
  float* room = values + Size::kTileFloats + own_row * kLanes;
  load_rows<kWidth, Size::kOwnRows, kWidth>(queries, call.q, part.query_start + part.first, part.q_column(grid),
                                            part.queries - part.first, grid.width);
  const int own_queries = part.queries - part.first - own_row;
  const std::int64_t first_query = part.query_start + part.first + own_row;
  const bool more = grid.has_more_than_products();
  const float factor = more ? 1.0F : grid.scale;
  int positions[kRows] = {};
  if (more || !grid.sees_all) {
    for (int r = 0; r < kRows && r < own_queries; ++r)
      positions[r] = static_cast<int>(part.position(part.first + own_row + r));
  }

  float maximum[kRows];
  float sum[kRows] = {};
  float result[kRows][Size::kColumns] = {};
  for (float& m : maximum) m = -INFINITY;
  const SeenKeys seen = keys_seen(grid, part, part.first, part.first + Size::kOwnRows);
  for (int first_key = seen.begin / kLanes * kLanes; first_key < seen.end; first_key += kLanes) {
    const int rows = part.tokens - first_key;
    __syncthreads();
    load_rows<kWidth, kLanes, Size::kStride>(keys, call.k, part.token_start + first_key, part.k_column(grid), rows,
                                             grid.width);
    load_rows<kWidth, kLanes, Size::kStride>(values, call.v, part.token_start + first_key, part.v_column(grid), rows,
                                             grid.value_width);
    __syncthreads();
    float p[kRows];
    multiply_rows<kWidth>(queries + own_row * kWidth, keys, lane, p);
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const int key = first_key + lane;
      const bool visible = lane < rows && sees(grid, positions[r], key);
      if (more && visible && r < own_queries)
        p[r] = finished_score(grid, part, p[r], first_query + r, positions[r], key);
      const float score = visible ? p[r] * factor : -INFINITY;
      const float largest = fmaxf(maximum[r], maximum_of_lanes(score));
      // Of a query that has seen nothing yet, nothing is left.
      const float reference = largest == -INFINITY ? 0.0F : largest;
      const float rescale = expf(maximum[r] - reference);
      maximum[r] = largest;
      p[r] = visible ? expf(fmaf(p[r], factor, -reference)) : 0.0F;
      sum[r] = fmaf(sum[r], rescale, p[r]);
      for (float& x : result[r]) x *= rescale;
    }
    if (grid.dropout.threshold != 0) {
      float factors[kRows];
      draw_for_queries<kRows>(grid.dropout, part, part.first + own_row, first_key, lane, room, factors);
#pragma unroll
      for (int r = 0; r < kRows; ++r) p[r] *= factors[r];
    }
    add_weighted_rows<kWidth>(p, values, lane, room, result);
  }

#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    sum[r] = sum_of_lanes(sum[r]);
    for (float& x : result[r]) x /= sum[r];
    if (call.log_sum_exp != nullptr && lane == 0 && r < own_queries)
      call.log_sum_exp[part.head * grid.queries + first_query + r] = maximum[r] + logf(sum[r]);
  }
  write_rows<T, kWidth>(result, call.out, first_query, part.out_column(grid), own_queries, grid.value_width, lane);
}

/// A block owns a tile of keys and goes through the queries, of each head that shares the keys.
template <typename T, int kWidth>
__global__ void __launch_bounds__(kBlockThreads, 2) attention_d_keys_kernel(const AttentionBackward<T> call) {
  using Size = Cut<kWidth>;
  constexpr int kRows = Size::kRows;
  const AttentionGrid& grid = call.grid;
  BlockPart part = part_of_key_block(grid, Size::kOwnRows);
  if (part.first >= part.tokens) return;
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  const int own_row = static_cast<int>(threadIdx.x) / kLanes * kRows;
  auto* keys = reinterpret_cast<float*>(dynamic_shared());
  float* values = keys + Size::kOwnFloats;
  float* queries = values + Size::kOwnFloats;
  float* d_outs = queries + Size::kTileFloats;
  float* room = d_outs + Size::kTileFloats + own_row * kLanes;
  const std::int64_t first_token = part.token_start + part.first;
  const int tokens = part.tokens - part.first;
  load_rows<kWidth, Size::kOwnRows, kWidth>(keys, call.k, first_token, part.k_column(grid), tokens, grid.width);
  load_rows<kWidth, Size::kOwnRows, kWidth>(values, call.v, first_token, part.v_column(grid), tokens, grid.value_width);
  const bool more = grid.has_more_than_products();
  const float factor = more ? 1.0F : grid.scale;

  float d_keys[kRows][Size::kColumns] = {};
  float d_values[kRows][Size::kColumns] = {};
  for (int member = 0; member < grid.group; ++member, ++part.head) {
    for (int first_query = 0; first_query < part.queries; first_query += kLanes) {
      const SeenKeys seen = keys_seen(grid, part, first_query, first_query + kLanes);
      if (seen.end <= part.first || seen.begin >= part.first + Size::kOwnRows) continue;
      const std::int64_t first_row = part.query_start + first_query;
      const int rows = part.queries - first_query;
      __syncthreads();
      load_rows<kWidth, kLanes, Size::kStride>(queries, call.q, first_row, part.q_column(grid), rows, grid.width);
      load_rows<kWidth, kLanes, Size::kStride>(d_outs, call.d_out, first_row, part.out_column(grid), rows,
                                               grid.value_width);
      __syncthreads();
      // A query beyond the last has a probability of zero.
      RowTerms terms{INFINITY, 0.0F, 0};
      if (lane < rows) terms = call.terms[part.head * grid.queries + first_row + lane];
      float p[kRows];
      float ds[kRows];
      multiply_rows<kWidth>(keys + own_row * kWidth, queries, lane, p);
      multiply_rows<kWidth>(values + own_row * kWidth, d_outs, lane, ds);
      float factors[kRows];
      for (float& each : factors) each = 1.0F;
      if (grid.dropout.threshold != 0)
        draw_for_keys<kRows>(grid.dropout, part, terms.position, part.first + own_row, factors);
#pragma unroll
      for (int r = 0; r < kRows; ++r) {
        const int key = part.first + own_row + r;
        const int position = static_cast<int>(terms.position);
        float slope = grid.scale;
        if (more && lane < rows && key < part.tokens && sees(grid, position, key)) {
          p[r] = finished_score(grid, part, p[r], first_row + lane, position, key);
          slope *= cap_slope(grid, p[r]);
        }
        const float probability = sees(grid, position, key) ? expf(fmaf(p[r], factor, -terms.log_sum_exp)) : 0.0F;
        p[r] = probability * factors[r];
        ds[r] = probability * slope * fmaf(ds[r], factors[r], -terms.product);
      }
      add_weighted_rows<kWidth>(p, d_outs, lane, room, d_values);
      add_weighted_rows<kWidth>(ds, queries, lane, room, d_keys);
    }
  }
  write_rows<T, kWidth>(d_keys, call.dk, first_token + own_row, part.k_column(grid), tokens - own_row, grid.width,
                        lane);
  write_rows<T, kWidth>(d_values, call.dv, first_token + own_row, part.v_column(grid), tokens - own_row,
                        grid.value_width, lane);
}

/// A block owns a tile of queries and goes through the keys.
template <typename T, int kWidth>
__global__ void __launch_bounds__(kBlockThreads, 2) attention_d_queries_kernel(const AttentionBackward<T> call) {
  using Size = Cut<kWidth>;
  constexpr int kRows = Size::kRows;
  const AttentionGrid& grid = call.grid;
  const BlockPart part = part_of_block(grid, Size::kOwnRows);
  if (part.first >= part.queries) return;
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  const int own_row = static_cast<int>(threadIdx.x) / kLanes * kRows;
  auto* queries = reinterpret_cast<float*>(dynamic_shared());
  float* d_outs = queries + Size::kOwnFloats;
  float* keys = d_outs + Size::kOwnFloats;
  float* values = keys + Size::kTileFloats;
  float* room = values + Size::kTileFloats + own_row * kLanes;
  const std::int64_t first_query = part.query_start + part.first;
  const int own_queries = part.queries - part.first - own_row;
  load_rows<kWidth, Size::kOwnRows, kWidth>(queries, call.q, first_query, part.q_column(grid),
                                            part.queries - part.first, grid.width);
  load_rows<kWidth, Size::kOwnRows, kWidth>(d_outs, call.d_out, first_query, part.out_column(grid),
                                            part.queries - part.first, grid.value_width);
  const bool more = grid.has_more_than_products();
  const float factor = more ? 1.0F : grid.scale;

  const std::int64_t own_terms = part.head * grid.queries + first_query + own_row;
  const RowTerms* terms = call.terms + own_terms;
  float d_queries[kRows][Size::kColumns] = {};
  const SeenKeys seen = keys_seen(grid, part, part.first, part.first + Size::kOwnRows);
  for (int first_key = seen.begin / kLanes * kLanes; first_key < seen.end; first_key += kLanes) {
    const int rows = part.tokens - first_key;
    __syncthreads();
    load_rows<kWidth, kLanes, Size::kStride>(keys, call.k, part.token_start + first_key, part.k_column(grid), rows,
                                             grid.width);
    load_rows<kWidth, kLanes, Size::kStride>(values, call.v, part.token_start + first_key, part.v_column(grid), rows,
                                             grid.value_width);
    __syncthreads();
    float p[kRows];
    float ds[kRows];
    multiply_rows<kWidth>(queries + own_row * kWidth, keys, lane, p);
    multiply_rows<kWidth>(d_outs + own_row * kWidth, values, lane, ds);
    float factors[kRows];
    for (float& each : factors) each = 1.0F;
    if (grid.dropout.threshold != 0)
      draw_for_queries<kRows>(grid.dropout, part, part.first + own_row, first_key, lane, room, factors);
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const int key = first_key + lane;
      const bool exists =
          lane < rows && r < own_queries && (grid.sees_all || sees(grid, static_cast<int>(terms[r].position), key));
      float slope = 1.0F;
      if (more && exists) {
        p[r] = finished_score(grid, part, p[r], first_query + own_row + r, static_cast<int>(terms[r].position), key);
        slope = cap_slope(grid, p[r]);
      }
      const float probability = exists ? expf(fmaf(p[r], factor, -terms[r].log_sum_exp)) : 0.0F;
      const float d_product = exists ? fmaf(ds[r], factors[r], -terms[r].product) : 0.0F;
      if (call.ds != nullptr && exists) call.ds[(own_terms + r) * grid.longest + key] = probability * slope * d_product;
      ds[r] = probability * (grid.scale * slope) * d_product;
    }
    add_weighted_rows<kWidth>(ds, keys, lane, room, d_queries);
  }
  write_rows<T, kWidth>(d_queries, call.dq, first_query + own_row, part.q_column(grid), own_queries, grid.width, lane);
}

/// terms [heads, queries] of backward; log_sum_exp is multiplied by `log_factor`. A block has kRowsOfTermsBlock
/// queries.
constexpr int kRowsOfTermsBlock = 64;
template <typename T>
__global__ void __launch_bounds__(kBlockThreads)
    attention_row_terms_kernel(const DeviceRows<const T> out, const DeviceRows<const T> d_out, const float* log_sum_exp,
                               float log_factor, const AttentionGrid grid, RowTerms* terms) {
  const BlockPart part = part_of_block(grid, kRowsOfTermsBlock);
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  const int end = min(part.first + kRowsOfTermsBlock, part.queries);
  for (int query = part.first + static_cast<int>(threadIdx.x) / kLanes; query < end; query += kBlockWarps) {
    const std::int64_t row = part.query_start + query;
    const T* a = out.data + row * out.stride + part.out_column(grid);
    const T* b = d_out.data + row * d_out.stride + part.out_column(grid);
    float product = 0.0F;
    for (int c = lane; c < grid.value_width; c += kLanes) product = fmaf(read(a + c), read(b + c), product);
    product = sum_of_lanes(product);
    const std::int64_t place = part.head * grid.queries + row;
    if (lane == 0) terms[place] = {log_sum_exp[place] * log_factor, product, part.position(query)};
  }
}

template <typename T, int kWidth>
void start_forward(const AttentionForward<T>& call, cudaStream_t stream) {
  using Size = Cut<kWidth>;
  constexpr std::size_t kFloats = Size::kOwnFloats + 2 * Size::kTileFloats + Size::kWeightFloats;
  AttentionForward<T> tiled = call;
  tiled.grid = call.grid.in_tiles_of(Size::kOwnRows);
  launch(attention_forward_kernel<T, kWidth>, tiled.grid.blocks(), kBlockThreads, kFloats * sizeof(float), stream,
         tiled);
}

template <typename T, int kWidth>
void start_backward(const AttentionBackward<T>& call, cudaStream_t stream) {
  using Size = Cut<kWidth>;
  constexpr std::size_t kFloats = 2 * Size::kOwnFloats + 2 * Size::kTileFloats + Size::kWeightFloats;
  AttentionBackward<T> tiled = call;
  tiled.grid = call.grid.in_tiles_of(Size::kOwnRows);
  launch(attention_d_keys_kernel<T, kWidth>, tiled.grid.blocks_of_keys(), kBlockThreads, kFloats * sizeof(float),
         stream, tiled);
  launch(attention_d_queries_kernel<T, kWidth>, tiled.grid.blocks(), kBlockThreads, kFloats * sizeof(float), stream,
         tiled);
}

/// Columns that the kernels need room for.
int widest_of(const AttentionGrid& grid) { return std::max(grid.width, grid.value_width); }

template <typename T>
void start_forward(const AttentionForward<T>& call, cudaStream_t stream) {
  if (widest_of(call.grid) <= 32)
    start_forward<T, 32>(call, stream);
  else if (widest_of(call.grid) <= 64)
    start_forward<T, 64>(call, stream);
  else if (widest_of(call.grid) <= 128)
    start_forward<T, 128>(call, stream);
  else
    start_forward<T, kMostWidth>(call, stream);
}

template <typename T>
void start_backward(const AttentionBackward<T>& call, cudaStream_t stream) {
  if (widest_of(call.grid) <= 32)
    start_backward<T, 32>(call, stream);
  else if (widest_of(call.grid) <= 64)
    start_backward<T, 64>(call, stream);
  else if (widest_of(call.grid) <= 128)
    start_backward<T, 128>(call, stream);
  else
    start_backward<T, kMostWidth>(call, stream);
}

/// Whether the kernels of attention_tensor_core.h take the call.
bool runs_on_tensor_cores(DType type, const AttentionGrid& grid) {
  return type == DType::bf16 && grid.is_plain() && grid.width % 16 == 0 && grid.width <= kMostTensorCoreWidth &&
         grid.scale > 0.0F;
}

/// Throws unless the matrices of a call have one type, f32 or bf16.
void check_types(DType type, std::initializer_list<DType> others) {
  bool same = type == DType::f32 || type == DType::bf16;
  for (const DType other : others) same = same && other == type;
  if (!same) refuse("attention on a GPU takes matrices of f32 or of bf16, all of one type");
}

template <typename Call>
AttentionGrid checked_grid(const Call& call) {
  call.check();
  if (std::max(call.shape.head_width, call.shape.value_width) > kMostWidth)
    refuse("attention on a GPU takes heads of at most 256 columns");
  return attention_grid(call);
}

template <typename T>
AttentionForward<T> forward_call(const calls::AttentionForward& call, const AttentionGrid& grid) {
  return {device_rows<const T>(call.q),
          device_rows<const T>(call.k),
          device_rows<const T>(call.v),
          device_rows<T>(call.out),
          call.log_sum_exp,
          grid};
}

template <typename T>
AttentionBackward<T> backward_call(const calls::AttentionBackward& call, const RowTerms* terms, float* ds,
                                   const AttentionGrid& grid) {
  return {device_rows<const T>(call.q),
          device_rows<const T>(call.k),
          device_rows<const T>(call.v),
          device_rows<const T>(call.d_out),
          terms,
          device_rows<T>(call.dq),
          device_rows<T>(call.dk),
          device_rows<T>(call.dv),
          ds,
          grid};
}

template <typename T>
void start_row_terms(const calls::AttentionBackward& call, float log_factor, const AttentionGrid& grid, RowTerms* terms,
                     cudaStream_t stream) {
  const AttentionGrid tiled = grid.in_tiles_of(kRowsOfTermsBlock);
  launch(attention_row_terms_kernel<T>, tiled.blocks(), kBlockThreads, 0, stream, device_rows<const T>(call.out),
         device_rows<const T>(call.d_out), call.log_sum_exp, log_factor, tiled, terms);
}

}  // namespace

void CudaKernels::run(const calls::AttentionForward& call) {
  check_types(call.q.type, {call.k.type, call.v.type, call.out.type});
  const AttentionGrid grid = checked_grid(call);
  if (call.q.type == DType::f32)
    start_forward(forward_call<float>(call, grid), stream_);
  else if (runs_on_tensor_cores(call.q.type, grid))
    tensor_core_attention_forward(forward_call<__nv_bfloat16>(call, grid), stream_);
  else
    start_forward(forward_call<BFloat16>(call, grid), stream_);
}

void CudaKernels::run(const calls::AttentionBackward& call) {
  check_types(call.q.type,
              {call.k.type, call.v.type, call.out.type, call.d_out.type, call.dq.type, call.dk.type, call.dv.type});
  if (call.k.rows != 0 && (call.dk.data == nullptr || call.dv.data == nullptr))
    refuse("attention on a GPU takes room for the gradients of keys and values");
  const AttentionGrid grid = checked_grid(call);
  const DeviceScratch<RowTerms> terms(memory_, grid.heads * call.q.rows);
  const bool of_terms = call.d_relative.query.data != nullptr || call.d_relative.key.data != nullptr;
  const DeviceScratch<float> ds_room(memory_, of_terms ? grid.heads * call.q.rows * grid.longest : 0);
  float* ds = of_terms ? ds_room.data() : nullptr;
  if (call.q.type == DType::f32) {
    start_row_terms<float>(call, 1.0F, grid, terms.data(), stream_);
    start_backward(backward_call<float>(call, terms.data(), ds, grid), stream_);
  } else if (runs_on_tensor_cores(call.q.type, grid)) {
    start_row_terms<BFloat16>(call, kLog2E, grid, terms.data(), stream_);
    tensor_core_attention_backward(backward_call<__nv_bfloat16>(call, terms.data(), nullptr, grid), stream_);
  } else {
    start_row_terms<BFloat16>(call, 1.0F, grid, terms.data(), stream_);
    start_backward(backward_call<BFloat16>(call, terms.data(), ds, grid), stream_);
  }
  if (of_terms) start_term_gradients(grid, call.d_relative, ds, memory_, stream_);
}

}  // namespace temper
