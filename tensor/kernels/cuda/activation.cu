// Bias, activation and dropout; copies between types. A thread has eight columns of a row, or one.
#include <cstdint>

#include "tensor/kernels/cuda/activation_functions.cuh"
#include "tensor/kernels/cuda/column_sums.cuh"
#include "tensor/kernels/cuda/cuda_kernels.h"
#include "tensor/kernels/cuda/element.cuh"
#include "tensor/kernels/cuda/launch.cuh"
#include "tensor/kernels/cuda/row_dropout.cuh"

namespace temper {
namespace {

/// The activation sees z as it is stored, so that backward, which reads it there, fits.
template <typename Function, typename T, typename B, int kWidth>
__global__ void __launch_bounds__(kThreads) forward(MatrixOf<T> z, const B* bias, MatrixOf<T> y) {
  const Place place = place_in<kWidth>(z.rows, z.columns);
  if (place.count == 0) return;
  T* z_at = row_of(z, place.row) + place.column;
  float values[kWidth];
  load(z_at, place.count, values);
  if (bias != nullptr) {
    float biases[kWidth];
    load(bias + place.column, place.count, biases);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) values[i] = rounded<T>(values[i] + biases[i]);
    if (y.data != z.data) store(values, place.count, z_at);
  }
#pragma unroll
  for (int i = 0; i < kWidth; ++i) values[i] = Function::value(values[i]);
  store(values, place.count, row_of(y, place.row) + place.column);
}

/// Gradients of z, stored where that is wanted, and to be summed over rows.
template <typename Function, typename T>
struct Backward {
  MatrixOf<const T> dy;
  MatrixOf<const T> z;
  MatrixOf<const T> y;
  MatrixOf<T> dz;
  bool stores;

  template <int kWidth>
  __device__ void operator()(std::int64_t row, std::int64_t column, int count, float (&values)[kWidth]) const {
    load(row_of(dy, row) + column, count, values);
    float inputs[kWidth] = {};
    if constexpr (Function::kReadsZ) load(row_of(z, row) + column, count, inputs);
    float outputs[kWidth] = {};
    if constexpr (Function::kReadsY) load(row_of(y, row) + column, count, outputs);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) values[i] *= Function::slope(inputs[i], outputs[i]);
    if (stores) store(values, count, row_of(dz, row) + column);
  }
};

template <typename T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    drop(MatrixOf<const T> x, TokenKeys names, DropoutMask mask, MatrixOf<T> y) {
  const Place place = place_in<kWidth>(x.rows, x.columns);
  if (place.count == 0) return;
  float values[kWidth];
  load(row_of(x, place.row) + place.column, place.count, values);
  drop_columns(mask, names.example_of(place.row), names.position_of(place.row), place.column, values);
  store(values, place.count, row_of(y, place.row) + place.column);
}

template <typename From, typename To, int kWidth>
__global__ void __launch_bounds__(kThreads) copy_elements(MatrixOf<const From> x, MatrixOf<To> y, bool accumulate) {
  const Place place = place_in<kWidth>(x.rows, x.columns);
  if (place.count == 0) return;
  float values[kWidth];
  load(row_of(x, place.row) + place.column, place.count, values);
  To* to = row_of(y, place.row) + place.column;
  if (accumulate) {
    float before[kWidth];
    load(to, place.count, before);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) values[i] += before[i];
  }
  store(values, place.count, to);
}

}  // namespace

void CudaKernels::run(const calls::BiasActivationForward& call) {
  if (call.bias.data == nullptr && call.activation == Activation::none && call.y.data == call.z.data) return;
  const bool in_packs = rows_begin_packs(call.z) && rows_begin_packs(call.y) && begins_pack(call.bias.data);
  with_activation(call.activation, [&]<typename Function>(Function) {
    with_type(call.z.type, [&]<typename T>(std::type_identity<T>) {
      with_type(call.bias.data == nullptr ? call.z.type : call.bias.type, [&]<typename B>(std::type_identity<B>) {
        with_width(in_packs, [&]<int kWidth>(std::integral_constant<int, kWidth>) {
          launch(forward<Function, T, B, kWidth>, grid_over<kWidth>(call.z.rows, call.z.columns), kThreads, 0, stream_,
                 call.z.as<T>(), static_cast<const B*>(call.bias.data), call.y.as<T>());
        });
      });
    });
  });
}

void CudaKernels::run(const calls::BiasActivationBackward& call) {
  const bool stores = call.activation != Activation::none || call.dz.data != call.dy.data;
  if (call.d_bias == nullptr && !stores) return;
  const ColumnSums sums(stream_, memory_, call.dy.rows, call.dy.columns, call.d_bias, call.accumulate_bias);
  with_activation(call.activation, [&]<typename Function>(Function) {
    const bool in_packs = rows_begin_packs(call.dy) && rows_begin_packs(call.dz) &&
                          (!Function::kReadsZ || rows_begin_packs(call.z)) &&
                          (!Function::kReadsY || rows_begin_packs(call.y));
    with_type(call.dy.type, [&]<typename T>(std::type_identity<T>) {
      const Backward<Function, T> backward{call.dy.as<T>(), call.z.as<T>(), call.y.as<T>(), call.dz.as<T>(), stores};
      with_width(in_packs,
                 [&]<int kWidth>(std::integral_constant<int, kWidth>) { sums.add_up<kWidth>(backward, call.dy.rows); });
    });
  });
  sums.finish();
}

void CudaKernels::run(const calls::ApplyDropout& call) {
  if (!call.dropout.active()) {
    run(calls::Copy{.x = call.x, .y = call.y});
    return;
  }
  with_type(call.x.type, [&]<typename T>(std::type_identity<T>) {
    with_width(rows_begin_packs(call.x) && rows_begin_packs(call.y),
               [&]<int kWidth>(std::integral_constant<int, kWidth>) {
                 launch(drop<T, kWidth>, grid_over<kWidth>(call.x.rows, call.x.columns), kThreads, 0, stream_,
                        call.x.as<T>(), call.names, mask_of(call.dropout), call.y.as<T>());
               });
  });
}

void CudaKernels::run(const calls::Copy& call) {
  if (!call.accumulate && call.x.data == call.y.data && call.x.type == call.y.type) return;
  const bool without_gaps = call.x.stride == call.x.columns && call.y.stride == call.y.columns;
  const ConstRows x = without_gaps ? joined(call.x) : call.x;
  const Rows y = without_gaps ? joined(call.y) : call.y;
  with_type(x.type, [&]<typename From>(std::type_identity<From>) {
    with_type(y.type, [&]<typename To>(std::type_identity<To>) {
      with_width(rows_begin_packs(x) && rows_begin_packs(y), [&]<int kWidth>(std::integral_constant<int, kWidth>) {
        launch(copy_elements<From, To, kWidth>, grid_over<kWidth>(x.rows, x.columns), kThreads, 0, stream_,
               x.as<From>(), y.as<To>(), call.accumulate);
      });
    });
  });
}

void CudaKernels::run(const calls::Clear& call) {
  if (call.bytes <= 0 || call.rows <= 0) return;
  const auto bytes = static_cast<std::size_t>(call.bytes);
  if (call.rows == 1) {
    check_cuda(cudaMemsetAsync(call.data, 0, bytes, stream_), "cudaMemsetAsync");
  } else {
    check_cuda(cudaMemset2DAsync(call.data, static_cast<std::size_t>(call.stride), 0, bytes,
                                 static_cast<std::size_t>(call.rows), stream_),
               "cudaMemset2DAsync");
  }
}

}  // namespace temper
