// The largest of each window, and the way back to it. A thread has eight channels of a place or of a pixel, or one.
#include <cstdint>

#include "tensor/kernels/cuda/cuda_kernels.h"
#include "tensor/kernels/cuda/launch.cuh"
#include "tensor/kernels/cuda/window_grid.cuh"

namespace temper {
namespace {

template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    max_pool_kernel(MatrixOf<const T> x, const WindowGrid grid, MatrixOf<T> y, std::uint8_t* winners) {
  const Place place = place_in<kWidth>(y.rows, y.columns);
  if (place.count == 0) return;
  const WindowPlace at = place_of(grid, place.row);
  float best[kWidth] = {};
  int winner[kWidth] = {};
  bool any = false;
  for (int a = 0; a < grid.taps_high; ++a) {
    for (int b = 0; b < grid.taps_wide; ++b) {
      const std::int64_t pixel = pixel_of(grid, at, a, b);
      if (pixel < 0) continue;
      float values[kWidth];
      load(row_of(x, pixel) + place.column, place.count, values);
#pragma unroll
      for (int i = 0; i < kWidth; ++i) {
        if (any && !(values[i] > best[i] || values[i] != values[i])) continue;
        best[i] = values[i];
        winner[i] = a * static_cast<int>(grid.taps_wide) + b;
      }
      any = true;
    }
  }
  store(best, place.count, row_of(y, place.row) + place.column);
  if (winners == nullptr) return;
#pragma unroll
  for (int i = 0; i < kWidth; ++i) {
    if (i < place.count) winners[place.row * y.columns + place.column + i] = static_cast<std::uint8_t>(winner[i]);
  }
}

template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    max_pool_backward_kernel(MatrixOf<const T> dy, const std::uint8_t* winners, const WindowGrid grid, MatrixOf<T> dx) {
  const Place place = place_in<kWidth>(dx.rows, dx.columns);
  if (place.count == 0) return;
  const std::int64_t line = place.row / grid.width;
  const std::int64_t image = line / grid.height * grid.high;
  const std::int64_t from_y = line % grid.height - grid.first_y;
  const std::int64_t from_x = place.row % grid.width - grid.first_x;
  const std::int64_t reach_y = from_y - grid.taps_high + grid.stride;
  const std::int64_t reach_x = from_x - grid.taps_wide + grid.stride;
  const std::int64_t top = reach_y < 0 ? 0 : reach_y / grid.stride;
  const std::int64_t left = reach_x < 0 ? 0 : reach_x / grid.stride;
  float sums[kWidth] = {};
  for (std::int64_t row = top; row < grid.high && row * grid.stride <= from_y; ++row) {
    for (std::int64_t column = left; column < grid.wide && column * grid.stride <= from_x; ++column) {
      const std::int64_t from = (image + row) * grid.wide + column;
      const auto tap = static_cast<int>((from_y - row * grid.stride) * grid.taps_wide + from_x - column * grid.stride);
      float values[kWidth];
      load(row_of(dy, from) + place.column, place.count, values);
#pragma unroll
      for (int i = 0; i < kWidth; ++i) {
        if (i < place.count && winners[from * dy.columns + place.column + i] == tap) sums[i] += values[i];
      }
    }
  }
  store(sums, place.count, row_of(dx, place.row) + place.column);
}

}  // namespace

void CudaKernels::run(const calls::MaxPoolForward& call) {
  if (call.grid.taps() > 256 || call.grid.step != 1) refuse("max_pool on a GPU takes windows of at most 256 taps");
  with_type(call.y.type, [&]<typename T>(std::type_identity<T>) {
    with_width(rows_begin_packs(call.x) && rows_begin_packs(call.y),
               [&]<int kWidth>(std::integral_constant<int, kWidth>) {
                 launch(max_pool_kernel<T, kWidth>, grid_over<kWidth>(call.y.rows, call.y.columns), kThreads, 0,
                        stream_, call.x.as<T>(), call.grid, call.y.as<T>(), call.winners);
               });
  });
}

void CudaKernels::run(const calls::MaxPoolBackward& call) {
  with_type(call.dx.type, [&]<typename T>(std::type_identity<T>) {
    with_width(rows_begin_packs(call.dy) && rows_begin_packs(call.dx),
               [&]<int kWidth>(std::integral_constant<int, kWidth>) {
                 launch(max_pool_backward_kernel<T, kWidth>, grid_over<kWidth>(call.dx.rows, call.dx.columns), kThreads,
                        0, stream_, call.dy.as<T>(), call.winners, call.grid, call.dx.as<T>());
               });
  });
}

}  // namespace temper
