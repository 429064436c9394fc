// Windows of images side by side, for convolutions by products. A thread has eight channels of a tap, or one.
#include <cstdint>

#include "tensor/kernels/cuda/cuda_kernels.h"
#include "tensor/kernels/cuda/launch.cuh"
#include "tensor/kernels/cuda/window_grid.cuh"

namespace temper {
namespace {

template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    gather_windows(MatrixOf<const T> x, const WindowGrid grid, std::int64_t first, MatrixOf<T> y) {
  // Rows of this matrix are the taps of all windows.
  const std::int64_t taps = grid.taps_high * grid.taps_wide;
  const Place place = place_in<kWidth>(y.rows * taps, x.columns);
  if (place.count == 0) return;
  const std::int64_t window = place.row / taps;
  const std::int64_t tap = place.row % taps;
  const std::int64_t pixel = pixel_of(grid, place_of(grid, first + window), tap / grid.taps_wide, tap % grid.taps_wide);
  float values[kWidth] = {};
  if (pixel >= 0) load(row_of(x, pixel) + place.column, place.count, values);
  store(values, place.count, row_of(y, window) + tap * x.columns + place.column);
}

template <typename From, typename T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    scatter_places(MatrixOf<const From> x, const WindowGrid grid, std::int64_t first, MatrixOf<T> y, bool accumulate) {
  const Place place = place_in<kWidth>(x.rows, x.columns);
  if (place.count == 0) return;
  T* to = row_of(y, pixel_of(grid, place_of(grid, first + place.row), 0, 0)) + place.column;
  float values[kWidth];
  float before[kWidth] = {};
  load(row_of(x, place.row) + place.column, place.count, values);
  if (accumulate) load(to, place.count, before);
#pragma unroll
  for (int i = 0; i < kWidth; ++i) values[i] += before[i];
  store(values, place.count, to);
}

}  // namespace

void CudaKernels::run(const calls::GatherWindows& call) {
  if (call.y.columns != call.grid.taps() * call.x.columns)
    refuse("gather_windows on a GPU takes rows that hold a window each");
  with_type(call.y.type, [&]<typename T>(std::type_identity<T>) {
    const bool in_packs = rows_begin_packs(call.x) && rows_begin_packs(call.y) && call.x.columns % kPack == 0;
    with_width(in_packs, [&]<int kWidth>(std::integral_constant<int, kWidth>) {
      launch(gather_windows<T, kWidth>, grid_over<kWidth>(call.y.rows * call.grid.taps(), call.x.columns), kThreads, 0,
             stream_, call.x.as<T>(), call.grid, call.first, call.y.as<T>());
    });
  });
}

void CudaKernels::run(const calls::ScatterPlaces& call) {
  with_type(call.x.type, [&]<typename From>(std::type_identity<From>) {
    with_type(call.y.type, [&]<typename T>(std::type_identity<T>) {
      with_width(rows_begin_packs(call.x) && rows_begin_packs(call.y),
                 [&]<int kWidth>(std::integral_constant<int, kWidth>) {
                   launch(scatter_places<From, T, kWidth>, grid_over<kWidth>(call.x.rows, call.x.columns), kThreads, 0,
                          stream_, call.x.as<From>(), call.grid, call.first, call.y.as<T>(), call.accumulate);
                 });
    });
  });
}

void CudaKernels::run(const calls::WindowProduct& call) { call.run_parts(whole()); }

void CudaKernels::run(const calls::WindowWeightGradient& call) { call.run_parts(whole()); }

}  // namespace temper
