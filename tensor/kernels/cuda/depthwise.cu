// Depthwise convolutions. Forward, a thread has eight channels of a place, or one. The gradient of weights is summed
// over ranges of places for each tap and channel, and then over the ranges.
#include <cstdint>

#include "tensor/kernels/cuda/column_sums.cuh"
#include "tensor/kernels/cuda/cuda_kernels.h"
#include "tensor/kernels/cuda/launch.cuh"
#include "tensor/kernels/cuda/window_grid.cuh"

namespace temper {
namespace {

template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    depthwise_kernel(MatrixOf<const T> x, const WindowGrid grid, const float* weight, const float* bias, MatrixOf<T> y,
                     bool accumulate) {
  const Place place = place_in<kWidth>(y.rows, y.columns);
  if (place.count == 0) return;
  const WindowPlace at = place_of(grid, place.row);
  float sums[kWidth] = {};
  if (bias != nullptr) load<kWidth>(bias + place.column, place.count, sums);
  for (std::int64_t a = 0; a < grid.taps_high; ++a) {
    for (std::int64_t b = 0; b < grid.taps_wide; ++b) {
      const std::int64_t pixel = pixel_of(grid, at, a, b);
      if (pixel < 0) continue;
      float values[kWidth];
      float weights[kWidth];
      load(row_of(x, pixel) + place.column, place.count, values);
      load(weight + (a * grid.taps_wide + b) * y.columns + place.column, place.count, weights);
#pragma unroll
      for (int i = 0; i < kWidth; ++i) sums[i] = fmaf(values[i], weights[i], sums[i]);
    }
  }
  T* to = row_of(y, place.row) + place.column;
  float before[kWidth] = {};
  if (accumulate) load(to, place.count, before);
#pragma unroll
  for (int i = 0; i < kWidth; ++i) sums[i] += before[i];
  store(sums, place.count, to);
}

/// What a place adds to the gradient of each weight: columns are the channels of all taps, one after the other.
template <typename T>
struct DepthwiseTerm {
  MatrixOf<const T> dy;
  MatrixOf<const T> x;
  WindowGrid grid;

  __device__ void operator()(std::int64_t row, std::int64_t column, int /*count*/, float (&values)[1]) const {
    const std::int64_t tap = column / dy.columns;
    const std::int64_t channel = column % dy.columns;
    const std::int64_t pixel = pixel_of(grid, place_of(grid, row), tap / grid.taps_wide, tap % grid.taps_wide);
    values[0] = pixel < 0 ? 0.0F : read(row_of(x, pixel) + channel) * read(row_of(dy, row) + channel);
  }
};

template <typename T>
struct DepthwiseBiasTerm {
  MatrixOf<const T> dy;

  __device__ void operator()(std::int64_t row, std::int64_t column, int /*count*/, float (&values)[1]) const {
    values[0] = read(row_of(dy, row) + column);
  }
};

}  // namespace

void CudaKernels::run(const calls::DepthwiseForward& call) {
  with_type(call.y.type, [&]<typename T>(std::type_identity<T>) {
    const bool in_packs = rows_begin_packs(call.x) && rows_begin_packs(call.y) && begins_pack(call.weight) &&
                          begins_pack(call.bias) && call.y.columns % kPack == 0;
    with_width(in_packs, [&]<int kWidth>(std::integral_constant<int, kWidth>) {
      launch(depthwise_kernel<T, kWidth>, grid_over<kWidth>(call.y.rows, call.y.columns), kThreads, 0, stream_,
             call.x.as<T>(), call.grid, call.weight, call.bias, call.y.as<T>(), call.accumulate);
    });
  });
}

void CudaKernels::run(const calls::DepthwiseWeightGradient& call) {
  const ColumnSums sums(stream_, memory_, call.dy.rows, call.grid.taps() * call.dy.columns, call.d_weight,
                        call.accumulate_weight);
  const ColumnSums bias_sums(stream_, memory_, call.dy.rows, call.dy.columns, call.d_bias, call.accumulate_bias);
  with_type(call.dy.type, [&]<typename T>(std::type_identity<T>) {
    sums.add_up<1>(DepthwiseTerm<T>{call.dy.as<T>(), call.x.as<T>(), call.grid}, call.dy.rows);
    if (call.d_bias != nullptr) bias_sums.add_up<1>(DepthwiseBiasTerm<T>{call.dy.as<T>()}, call.dy.rows);
  });
  sums.finish();
  bias_sums.finish();
}

}  // namespace temper
