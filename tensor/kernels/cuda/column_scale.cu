// A factor for each column, and its gradient. A thread has eight columns of a row, or one.
#include <cstdint>

#include "tensor/kernels/cuda/column_sums.cuh"
#include "tensor/kernels/cuda/cuda_kernels.h"
#include "tensor/kernels/cuda/element.cuh"
#include "tensor/kernels/cuda/launch.cuh"

namespace temper {
namespace {

template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    scale_columns_kernel(MatrixOf<const T> x, const float* factors, MatrixOf<T> y, bool accumulate) {
  const Place place = place_in<kWidth>(y.rows, y.columns);
  if (place.count == 0) return;
  float values[kWidth];
  float of_columns[kWidth];
  float before[kWidth] = {};
  T* to = row_of(y, place.row) + place.column;
  load(row_of(x, place.row) + place.column, place.count, values);
  load(factors + place.column, place.count, of_columns);
  if (accumulate) load(to, place.count, before);
#pragma unroll
  for (int i = 0; i < kWidth; ++i) values[i] = fmaf(values[i], of_columns[i], before[i]);
  store(values, place.count, to);
}

/// Elements of a product of two matrices, as sum_row_ranges asks for them.
template <typename T, int kWidth>
struct ProductTerm {
  MatrixOf<const T> a;
  MatrixOf<const T> b;

  __device__ void operator()(std::int64_t row, std::int64_t column, int count, float (&values)[kWidth]) const {
    float others[kWidth];
    load(row_of(a, row) + column, count, values);
    load(row_of(b, row) + column, count, others);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) values[i] *= others[i];
  }
};

}  // namespace

void CudaKernels::run(const calls::ScaleColumns& call) {
  with_type(call.y.type, [&]<typename T>(std::type_identity<T>) {
    with_width(begins_pack(call.factors) && rows_begin_packs(call.x) && rows_begin_packs(call.y),
               [&]<int kWidth>(std::integral_constant<int, kWidth>) {
                 launch(scale_columns_kernel<T, kWidth>, grid_over<kWidth>(call.y.rows, call.y.columns), kThreads, 0,
                        stream_, call.x.as<T>(), call.factors, call.y.as<T>(), call.accumulate);
               });
  });
}

void CudaKernels::run(const calls::SumColumnProducts& call) {
  const ColumnSums sums(stream_, memory_, call.a.rows, call.a.columns, call.sums, call.accumulate);
  with_type(call.a.type, [&]<typename T>(std::type_identity<T>) {
    with_width(rows_begin_packs(call.a) && rows_begin_packs(call.b),
               [&]<int kWidth>(std::integral_constant<int, kWidth>) {
                 sums.add_up<kWidth>(ProductTerm<T, kWidth>{call.a.as<T>(), call.b.as<T>()}, call.a.rows);
               });
  });
  sums.finish();
}

}  // namespace temper
