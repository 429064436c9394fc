// Gated units: an activation of one matrix times another. A thread has eight columns of a row, or one.
#include <cstdint>

#include "tensor/kernels/cuda/activation_functions.cuh"
#include "tensor/kernels/cuda/cuda_kernels.h"
#include "tensor/kernels/cuda/element.cuh"
#include "tensor/kernels/cuda/launch.cuh"

namespace temper {
namespace {

template <typename Function, typename T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    gated_forward(MatrixOf<const T> gate, MatrixOf<const T> value, MatrixOf<T> y) {
  const Place place = place_in<kWidth>(y.rows, y.columns);
  if (place.count == 0) return;
  float gates[kWidth];
  float values[kWidth];
  load(row_of(gate, place.row) + place.column, place.count, gates);
  load(row_of(value, place.row) + place.column, place.count, values);
#pragma unroll
  for (int i = 0; i < kWidth; ++i) values[i] *= Function::value(gates[i]);
  store(values, place.count, row_of(y, place.row) + place.column);
}

template <typename Function, typename T, int kWidth>
__global__ void __launch_bounds__(kThreads)
    gated_backward(MatrixOf<const T> dy, MatrixOf<const T> gate, MatrixOf<const T> value, MatrixOf<T> d_gate,
                   MatrixOf<T> d_value) {
  const Place place = place_in<kWidth>(dy.rows, dy.columns);
  if (place.count == 0) return;
  float given[kWidth];
  float gates[kWidth];
  float values[kWidth];
  load(row_of(dy, place.row) + place.column, place.count, given);
  load(row_of(gate, place.row) + place.column, place.count, gates);
  load(row_of(value, place.row) + place.column, place.count, values);
#pragma unroll
  for (int i = 0; i < kWidth; ++i) {
    const float active = Function::value(gates[i]);
    gates[i] = given[i] * values[i] * Function::slope(gates[i], active);
    values[i] = given[i] * active;
  }
  if (d_gate.data != nullptr) store(gates, place.count, row_of(d_gate, place.row) + place.column);
  if (d_value.data != nullptr) store(values, place.count, row_of(d_value, place.row) + place.column);
}

}  // namespace

void CudaKernels::run(const calls::GatedForward& call) {
  const bool in_packs = rows_begin_packs(call.gate) && rows_begin_packs(call.value) && rows_begin_packs(call.y);
  with_activation(call.activation, [&]<typename Function>(Function) {
    with_type(call.y.type, [&]<typename T>(std::type_identity<T>) {
      with_width(in_packs, [&]<int kWidth>(std::integral_constant<int, kWidth>) {
        launch(gated_forward<Function, T, kWidth>, grid_over<kWidth>(call.y.rows, call.y.columns), kThreads, 0, stream_,
               call.gate.as<T>(), call.value.as<T>(), call.y.as<T>());
      });
    });
  });
}

void CudaKernels::run(const calls::GatedBackward& call) {
  const bool in_packs = rows_begin_packs(call.dy) && rows_begin_packs(call.gate) && rows_begin_packs(call.value) &&
                        rows_begin_packs(call.d_gate) && rows_begin_packs(call.d_value);
  with_activation(call.activation, [&]<typename Function>(Function) {
    with_type(call.dy.type, [&]<typename T>(std::type_identity<T>) {
      with_width(in_packs, [&]<int kWidth>(std::integral_constant<int, kWidth>) {
        launch(gated_backward<Function, T, kWidth>, grid_over<kWidth>(call.dy.rows, call.dy.columns), kThreads, 0,
               stream_, call.dy.as<T>(), call.gate.as<T>(), call.value.as<T>(), call.d_gate.as<T>(),
               call.d_value.as<T>());
      });
    });
  });
}

}  // namespace temper
