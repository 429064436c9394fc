// Rows fetched by index, and their gradients added back. Which rows share an index is known before (RowGroups), or, for
// the few rows of a selection, looked up on the way; additions to one row keep an order that depends on the indices
// alone.
#include <cstdint>

#include "tensor/kernels/cuda/block_sum.cuh"
#include "tensor/kernels/cuda/cuda_kernels.h"
#include "tensor/kernels/cuda/element.cuh"
#include "tensor/kernels/cuda/launch.cuh"
#include "tensor/kernels/cuda/scratch.h"

namespace temper {
namespace {

template <typename Words>
struct Embeddings {
  const Words* words;
  const std::int32_t* ids;
  const float* positions;  ///< may be null
  const std::int32_t* position_ids;
  const float* types;  ///< may be null
  const std::int32_t* type_ids;
};

template <typename Words, typename T, int kWidth>
__global__ void __launch_bounds__(kThreads) sum_embeddings(Embeddings<Words> from, MatrixOf<T> y) {
  const Place place = place_in<kWidth>(y.rows, y.columns);
  if (place.count == 0) return;
  float values[kWidth];
  float others[kWidth];
  load(from.words + from.ids[place.row] * y.columns + place.column, place.count, values);
  if (from.positions != nullptr) {
    load(from.positions + from.position_ids[place.row] * y.columns + place.column, place.count, others);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) values[i] += others[i];
  }
  if (from.types != nullptr) {
    load(from.types + from.type_ids[place.row] * y.columns + place.column, place.count, others);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) values[i] += others[i];
  }
  store(values, place.count, row_of(y, place.row) + place.column);
}

// ---- gradients of groups --------------------------------------------------------------------------------------------

/// Threads of a block of these two kernels, whose grids are [pieces or groups, parts of the width].
constexpr int kGroupThreads = 64;

/// The group whose piece this is: starts [groups + 1] ascend.
__device__ std::int64_t group_of(const std::int32_t* starts, std::int64_t groups, std::int64_t piece) {
  std::int64_t first = 0;
  std::int64_t last = groups - 1;
  while (first < last) {
    const std::int64_t middle = (first + last + 1) / 2;
    if (starts[middle] <= piece) {
      first = middle;
    } else {
      last = middle - 1;
    }
  }
  return first;
}

/// Adds up the rows of each piece: into the table where the piece is its group's only one, else into piece_sums
/// [pieces, width].
template <typename T, int kWidth>
__global__ void __launch_bounds__(kGroupThreads)
    sum_pieces(MatrixOf<const T> dy, RowGroups groups, float* piece_sums, float* d_table) {
  const std::int64_t piece = blockIdx.x;
  const std::int64_t width = dy.columns;
  const std::int64_t column = (static_cast<std::int64_t>(blockIdx.y) * kGroupThreads + threadIdx.x) * kWidth;
  const std::int64_t real_groups = groups.counts == nullptr ? groups.groups : groups.counts[0];
  const std::int64_t real_pieces = groups.counts == nullptr ? groups.pieces : groups.counts[1];
  if (column >= width || piece >= real_pieces) return;
  const int count = width - column < kWidth ? static_cast<int>(width - column) : kWidth;
  float sums[kWidth] = {};
  for (std::int32_t place = groups.row_starts[piece]; place < groups.row_starts[piece + 1]; ++place) {
    float values[kWidth];
    load(row_of(dy, groups.order[place]) + column, count, values);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) sums[i] += values[i];
  }
  const std::int64_t group = group_of(groups.piece_starts, real_groups, piece);
  if (groups.piece_starts[group + 1] - groups.piece_starts[group] == 1) {
    float* to = d_table + groups.ids[group] * width + column;
    float values[kWidth];
    load(to, count, values);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) values[i] += sums[i];
    store(values, count, to);
  } else {
    store(sums, count, piece_sums + piece * width + column);
  }
}

/// Adds the pieces of each group that has several to the table, one after the other, as the CPU does.
template <int kWidth>
__global__ void __launch_bounds__(kGroupThreads)
    add_pieces(RowGroups groups, const float* piece_sums, std::int64_t width, float* d_table) {
  const std::int64_t group = blockIdx.x;
  const std::int64_t column = (static_cast<std::int64_t>(blockIdx.y) * kGroupThreads + threadIdx.x) * kWidth;
  if (groups.counts != nullptr && group >= groups.counts[0]) return;
  const std::int32_t first = groups.piece_starts[group];
  const std::int32_t last = groups.piece_starts[group + 1];
  if (column >= width || last - first == 1) return;
  const int count = width - column < kWidth ? static_cast<int>(width - column) : kWidth;
  float* to = d_table + groups.ids[group] * width + column;
  float sums[kWidth];
  load(to, count, sums);
  for (std::int64_t piece = first; piece < last; ++piece) {
    float values[kWidth];
    load(piece_sums + piece * width + column, count, values);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) sums[i] += values[i];
  }
  store(sums, count, to);
}

// ---- rows by index --------------------------------------------------------------------------------------------------

template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads) gather(MatrixOf<const T> x, const std::int32_t* rows, MatrixOf<T> y) {
  const Place place = place_in<kWidth>(y.rows, y.columns);
  if (place.count == 0) return;
  float values[kWidth];
  load(row_of(x, rows[place.row]) + place.column, place.count, values);
  store(values, place.count, row_of(y, place.row) + place.column);
}

template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads) scatter(MatrixOf<const T> x, const std::int32_t* rows, MatrixOf<T> y) {
  const Place place = place_in<kWidth>(x.rows, x.columns);
  if (place.count == 0) return;
  float values[kWidth];
  load(row_of(x, place.row) + place.column, place.count, values);
  store(values, place.count, row_of(y, rows[place.row]) + place.column);
}

/// A warp has some columns of a row of dy. If no row before it goes to the same place, the warp adds it and those after
/// it that do, in their order; else it leaves all to the first of them.
template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    scatter_add(MatrixOf<const T> dy, const std::int32_t* rows, std::int64_t tiles, MatrixOf<T> dx) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const std::int64_t warp = static_cast<std::int64_t>(blockIdx.x) * (kThreads / kWarp) + threadIdx.x / kWarp;
  const std::int64_t own = warp / tiles;
  if (own >= dy.rows) return;  // the whole warp
  const std::int32_t index = rows[own];
  for (std::int64_t base = 0; base < own; base += kWarp) {
    const bool same = base + lane < own && rows[base + lane] == index;
    if (__any_sync(kWholeWarp, static_cast<int>(same)) != 0) return;
  }
  const std::int64_t column = (warp % tiles * kWarp + lane) * kWidth;
  const std::int64_t left = dy.columns - column;
  const int count = left < kWidth ? static_cast<int>(left < 0 ? 0 : left) : kWidth;
  T* to = row_of(dx, index) + column;
  float sums[kWidth];
  load(to, count, sums);
  for (std::int64_t base = own; base < dy.rows; base += kWarp) {
    const bool same = base + lane < dy.rows && rows[base + lane] == index;
    unsigned found = __ballot_sync(kWholeWarp, static_cast<int>(same));
    while (found != 0) {
      const std::int64_t row = base + __ffs(static_cast<int>(found)) - 1;
      found &= found - 1;
      float values[kWidth];
      load(row_of(dy, row) + column, count, values);
#pragma unroll
      for (int i = 0; i < kWidth; ++i) sums[i] += values[i];
    }
  }
  store(sums, count, to);
}

}  // namespace

void CudaKernels::run(const calls::EmbeddingSumForward& call) {
  with_type(call.words_type, [&]<typename Words>(std::type_identity<Words>) {
    const auto* const words = static_cast<const Words*>(call.words);
    const bool in_packs = rows_begin_packs(call.y) && call.y.columns % kPack == 0 && begins_pack(words) &&
                          begins_pack(call.positions) && begins_pack(call.types);
    with_type(call.y.type, [&]<typename T>(std::type_identity<T>) {
      with_width(in_packs, [&]<int kWidth>(std::integral_constant<int, kWidth>) {
        launch(sum_embeddings<Words, T, kWidth>, grid_over<kWidth>(call.y.rows, call.y.columns), kThreads, 0, stream_,
               Embeddings<Words>{words, call.ids, call.positions, call.position_ids, call.types, call.type_ids},
               call.y.as<T>());
      });
    });
  });
}

void CudaKernels::run(const calls::EmbeddingBackward& call) {
  const bool several = call.groups.pieces > call.groups.groups || call.groups.counts != nullptr;
  const DeviceScratch<float> piece_sums(memory_, several ? call.groups.pieces * call.dy.columns : 0);
  const bool in_packs = rows_begin_packs(call.dy) && call.dy.columns % kPack == 0 && begins_pack(call.d_table);
  with_width(in_packs, [&]<int kWidth>(std::integral_constant<int, kWidth>) {
    const unsigned tiles = parts(call.dy.columns, kGroupThreads * kWidth);
    with_type(call.dy.type, [&]<typename T>(std::type_identity<T>) {
      launch(sum_pieces<T, kWidth>, dim3(static_cast<unsigned>(call.groups.pieces), tiles), kGroupThreads, 0, stream_,
             call.dy.as<T>(), call.groups, piece_sums.data(), call.d_table);
    });
    if (several) {
      launch(add_pieces<kWidth>, dim3(static_cast<unsigned>(call.groups.groups), tiles), kGroupThreads, 0, stream_,
             call.groups, piece_sums.data(), call.dy.columns, call.d_table);
    }
  });
}

void CudaKernels::run(const calls::GatherRows& call) {
  with_type(call.y.type, [&]<typename T>(std::type_identity<T>) {
    with_width(rows_begin_packs(call.x) && rows_begin_packs(call.y),
               [&]<int kWidth>(std::integral_constant<int, kWidth>) {
                 launch(gather<T, kWidth>, grid_over<kWidth>(call.y.rows, call.y.columns), kThreads, 0, stream_,
                        call.x.as<T>(), call.rows, call.y.as<T>());
               });
  });
}

void CudaKernels::run(const calls::ScatterRows& call) {
  with_type(call.x.type, [&]<typename T>(std::type_identity<T>) {
    with_width(rows_begin_packs(call.x) && rows_begin_packs(call.y),
               [&]<int kWidth>(std::integral_constant<int, kWidth>) {
                 launch(scatter<T, kWidth>, grid_over<kWidth>(call.x.rows, call.x.columns), kThreads, 0, stream_,
                        call.x.as<T>(), call.rows, call.y.as<T>());
               });
  });
}

void CudaKernels::run(const calls::ScatterAddRows& call) {
  with_type(call.dy.type, [&]<typename T>(std::type_identity<T>) {
    with_width(rows_begin_packs(call.dy) && rows_begin_packs(call.dx),
               [&]<int kWidth>(std::integral_constant<int, kWidth>) {
                 const std::int64_t tiles = parts(call.dy.columns, kWarp * kWidth);
                 launch(scatter_add<T, kWidth>, dim3(parts(call.dy.rows * tiles, kThreads / kWarp)), kThreads, 0,
                        stream_, call.dy.as<T>(), call.rows, tiles, call.dx.as<T>());
               });
  });
}

}  // namespace temper
