// Sums, products and multiples of matrices, element by element. A thread has eight columns of a row, or one.
#include <cstdint>

#include "tensor/kernels/cuda/cuda_kernels.h"
#include "tensor/kernels/cuda/element.cuh"
#include "tensor/kernels/cuda/launch.cuh"
#include "tensor/kernels/cuda/row_dropout.cuh"

namespace temper {
namespace {

template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    add_rows(MatrixOf<const T> a, MatrixOf<const T> b, TokenKeys names, DropoutMask mask, MatrixOf<T> y) {
  const Place place = place_in<kWidth>(y.rows, y.columns);
  if (place.count == 0) return;
  float values[kWidth];
  float others[kWidth];
  load(row_of(a, place.row) + place.column, place.count, values);
  load(row_of(b, place.row) + place.column, place.count, others);
  if (mask.threshold != 0)
    drop_columns(mask, names.example_of(place.row), names.position_of(place.row), place.column, values);
#pragma unroll
  for (int i = 0; i < kWidth; ++i) values[i] += others[i];
  store(values, place.count, row_of(y, place.row) + place.column);
}

template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    multiply_rows(MatrixOf<const T> a, MatrixOf<const T> b, MatrixOf<T> y, bool accumulate) {
  const Place place = place_in<kWidth>(y.rows, y.columns);
  if (place.count == 0) return;
  float values[kWidth];
  float others[kWidth];
  float before[kWidth] = {};
  T* to = row_of(y, place.row) + place.column;
  load(row_of(a, place.row) + place.column, place.count, values);
  load(row_of(b, place.row) + place.column, place.count, others);
  if (accumulate) load(to, place.count, before);
#pragma unroll
  for (int i = 0; i < kWidth; ++i) values[i] = fmaf(values[i], others[i], before[i]);
  store(values, place.count, to);
}

template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    scale_rows(MatrixOf<const T> x, float factor, MatrixOf<T> y, bool accumulate) {
  const Place place = place_in<kWidth>(y.rows, y.columns);
  if (place.count == 0) return;
  float values[kWidth];
  float before[kWidth] = {};
  T* to = row_of(y, place.row) + place.column;
  load(row_of(x, place.row) + place.column, place.count, values);
  if (accumulate) load(to, place.count, before);
#pragma unroll
  for (int i = 0; i < kWidth; ++i) values[i] = fmaf(values[i], factor, before[i]);
  store(values, place.count, to);
}

}  // namespace

void CudaKernels::run(const calls::AddRows& call) {
  with_type(call.y.type, [&]<typename T>(std::type_identity<T>) {
    with_width(rows_begin_packs(call.a) && rows_begin_packs(call.b) && rows_begin_packs(call.y),
               [&]<int kWidth>(std::integral_constant<int, kWidth>) {
                 launch(add_rows<T, kWidth>, grid_over<kWidth>(call.y.rows, call.y.columns), kThreads, 0, stream_,
                        call.a.as<T>(), call.b.as<T>(), call.names, mask_of(call.dropout), call.y.as<T>());
               });
  });
}

void CudaKernels::run(const calls::MultiplyRows& call) {
  with_type(call.y.type, [&]<typename T>(std::type_identity<T>) {
    with_width(rows_begin_packs(call.a) && rows_begin_packs(call.b) && rows_begin_packs(call.y),
               [&]<int kWidth>(std::integral_constant<int, kWidth>) {
                 launch(multiply_rows<T, kWidth>, grid_over<kWidth>(call.y.rows, call.y.columns), kThreads, 0, stream_,
                        call.a.as<T>(), call.b.as<T>(), call.y.as<T>(), call.accumulate);
               });
  });
}

void CudaKernels::run(const calls::ScaleRows& call) {
  with_type(call.y.type, [&]<typename T>(std::type_identity<T>) {
    with_width(rows_begin_packs(call.x) && rows_begin_packs(call.y),
               [&]<int kWidth>(std::integral_constant<int, kWidth>) {
                 launch(scale_rows<T, kWidth>, grid_over<kWidth>(call.y.rows, call.y.columns), kThreads, 0, stream_,
                        call.x.as<T>(), call.factor, call.y.as<T>(), call.accumulate);
               });
  });
}

}  // namespace temper
