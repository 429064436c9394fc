// Batch norm with what stands behind it. A thread has eight columns of a row, or one.
#include <cstdint>

#include "tensor/kernels/cuda/column_sums.cuh"
#include "tensor/kernels/cuda/cuda_kernels.h"
#include "tensor/kernels/cuda/element.cuh"
#include "tensor/kernels/cuda/launch.cuh"

namespace temper {
namespace {

__device__ inline float scale_of_channel(const ChannelStatisticsOf& statistics, std::int64_t column) {
  return 1.0F / sqrtf(statistics.variance[column] + statistics.epsilon);
}

__device__ inline float value_or(const float* values, std::int64_t column, float otherwise) {
  return values == nullptr ? otherwise : values[column];
}

template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    channel_norm_kernel(MatrixOf<const T> x, const ChannelStatisticsOf statistics, const float* weight,
                        const float* bias, MatrixOf<const T> residual, bool clips, MatrixOf<T> y) {
  const Place place = place_in<kWidth>(y.rows, y.columns);
  if (place.count == 0) return;
  float values[kWidth];
  float others[kWidth] = {};
  load(row_of(x, place.row) + place.column, place.count, values);
  if (residual.data != nullptr) load(row_of(residual, place.row) + place.column, place.count, others);
#pragma unroll
  for (int i = 0; i < kWidth; ++i) {
    if (i >= place.count) continue;
    const std::int64_t column = place.column + i;
    const float factor = scale_of_channel(statistics, column) * value_or(weight, column, 1.0F);
    const float offset = value_or(bias, column, 0.0F) - statistics.mean[column] * factor;
    values[i] = fmaf(values[i], factor, offset) + others[i];
    if (clips && values[i] < 0.0F) values[i] = 0.0F;
  }
  store(values, place.count, row_of(y, place.row) + place.column);
}

/// g, of which both sums are made, and normal.
template <typename T>
struct ChannelNormBack {
  MatrixOf<const T> dy;
  MatrixOf<const T> x;
  MatrixOf<const T> y;
  ChannelStatisticsOf statistics;
  bool clips;

  __device__ float g(std::int64_t row, std::int64_t column) const {
    const float value = read(row_of(dy, row) + column);
    return clips && !(read(row_of(y, row) + column) > 0.0F) ? 0.0F : value;
  }
  __device__ float normal(std::int64_t row, std::int64_t column) const {
    return (read(row_of(x, row) + column) - statistics.mean[column]) * scale_of_channel(statistics, column);
  }
};

template <typename T>
struct NormalTerm {
  ChannelNormBack<T> of;
  __device__ void operator()(std::int64_t row, std::int64_t column, int /*count*/, float (&values)[1]) const {
    values[0] = of.g(row, column) * of.normal(row, column);
  }
};

template <typename T>
struct GradientTerm {
  ChannelNormBack<T> of;
  __device__ void operator()(std::int64_t row, std::int64_t column, int /*count*/, float (&values)[1]) const {
    values[0] = of.g(row, column);
  }
};

/// Writes g and dx. normal_sums and sums: null where the statistics do not depend on x.
template <typename T>
__global__ void __launch_bounds__(kThreads)
    channel_norm_backward_kernel(ChannelNormBack<T> of, const float* weight, const float* normal_sums,
                                 const float* sums, MatrixOf<T> g, MatrixOf<T> dx, bool accumulate) {
  const Place place = place_in<1>(of.dy.rows, of.dy.columns);
  if (place.count == 0) return;
  const float value = of.g(place.row, place.column);
  float freed = value;
  if (sums != nullptr) {
    const float each = 1.0F / static_cast<float>(of.dy.rows);
    freed -= (of.normal(place.row, place.column) * normal_sums[place.column] + sums[place.column]) * each;
  }
  if (g.data != nullptr) write(value, row_of(g, place.row) + place.column);
  if (dx.data == nullptr) return;
  T* to = row_of(dx, place.row) + place.column;
  const float factor = scale_of_channel(of.statistics, place.column) * value_or(weight, place.column, 1.0F);
  write(freed * factor + (accumulate ? read(to) : 0.0F), to);
}

template <typename T>
struct ValueTerm {
  MatrixOf<const T> x;
  __device__ void operator()(std::int64_t row, std::int64_t column, int /*count*/, float (&values)[1]) const {
    values[0] = read(row_of(x, row) + column);
  }
};

template <typename T>
struct SquareTerm {
  MatrixOf<const T> x;
  const float* mean;
  __device__ void operator()(std::int64_t row, std::int64_t column, int /*count*/, float (&values)[1]) const {
    const float away = read(row_of(x, row) + column) - mean[column];
    values[0] = away * away;
  }
};

__global__ void __launch_bounds__(kThreads) divide_kernel(float* values, std::int64_t columns, float divisor) {
  const std::int64_t column = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (column < columns) values[column] /= divisor;
}

void require_plain_activation(Activation activation) {
  if (activation != Activation::none && activation != Activation::relu)
    refuse("channel_norm on a GPU takes no activation but relu");
}

}  // namespace

void CudaKernels::run(const calls::ChannelStatistics& call) {
  const std::int64_t columns = call.x.columns;
  const auto rows = static_cast<float>(call.x.rows > 0 ? call.x.rows : 1);
  with_type(call.x.type, [&]<typename T>(std::type_identity<T>) {
    const ColumnSums sums(stream_, memory_, call.x.rows, columns, call.mean, false);
    sums.add_up<1>(ValueTerm<T>{call.x.as<T>()}, call.x.rows);
    sums.finish();
    launch(divide_kernel, dim3(parts(columns, kThreads)), kThreads, 0, stream_, call.mean, columns, rows);
    const ColumnSums squares(stream_, memory_, call.x.rows, columns, call.variance, false);
    squares.add_up<1>(SquareTerm<T>{call.x.as<T>(), call.mean}, call.x.rows);
    squares.finish();
    launch(divide_kernel, dim3(parts(columns, kThreads)), kThreads, 0, stream_, call.variance, columns, rows);
  });
}

void CudaKernels::run(const calls::ChannelNormForward& call) {
  require_plain_activation(call.activation);
  with_type(call.y.type, [&]<typename T>(std::type_identity<T>) {
    with_width(rows_begin_packs(call.x) && rows_begin_packs(call.residual) && rows_begin_packs(call.y),
               [&]<int kWidth>(std::integral_constant<int, kWidth>) {
                 launch(channel_norm_kernel<T, kWidth>, grid_over<kWidth>(call.y.rows, call.y.columns), kThreads, 0,
                        stream_, call.x.as<T>(), call.statistics, call.weight, call.bias, call.residual.as<T>(),
                        call.activation == Activation::relu, call.y.as<T>());
               });
  });
}

void CudaKernels::run(const calls::ChannelNormBackward& call) {
  require_plain_activation(call.activation);
  const std::int64_t rows = call.dy.rows;
  const std::int64_t columns = call.dy.columns;
  const bool frees = call.statistics_of_rows && call.dx.data != nullptr;
  const DeviceScratch<float> of_rows(memory_, frees ? 2 * columns : 0);
  float* const own_sums = frees ? of_rows.data() : nullptr;
  float* const own_normal_sums = frees ? of_rows.data() + columns : nullptr;
  with_type(call.dy.type, [&]<typename T>(std::type_identity<T>) {
    const ChannelNormBack<T> of{call.dy.as<T>(), call.x.as<T>(), call.y.as<T>(), call.statistics,
                                call.activation == Activation::relu};
    const auto add_up = [&](const auto& term, float* to, bool accumulate) {
      if (to == nullptr) return;
      const ColumnSums sums(stream_, memory_, rows, columns, to, accumulate);
      sums.add_up<1>(term, rows);
      sums.finish();
    };
    add_up(NormalTerm<T>{of}, call.d_weight, call.accumulate_weight);
    add_up(GradientTerm<T>{of}, call.d_bias, call.accumulate_bias);
    add_up(NormalTerm<T>{of}, own_normal_sums, false);
    add_up(GradientTerm<T>{of}, own_sums, false);
    // g may take the place of dy: only its own thread reads an element then.
    launch(channel_norm_backward_kernel<T>, grid_over<1>(rows, columns), kThreads, 0, stream_, of, call.weight,
           own_normal_sums, own_sums, call.g.as<T>(), call.dx.as<T>(), call.accumulate);
  });
}

}  // namespace temper
