// Gated units: an activation of one matrix times another, in one pass, forward and backward.
#include "tensor/kernels/cpu/vector/vector_targets.h"
//
#include <cstdint>

#include "tensor/kernels/cpu/cpu_kernels.h"
#include "tensor/kernels/cpu/vector/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/cpu/gated.cpp"
#include "hwy/foreach_target.h"
//
#include "hwy/highway.h"
#include "tensor/kernels/cpu/activation_functions-inl.h"
#include "tensor/kernels/cpu/vector/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {
namespace {

template <class Function, typename T>
void forward_rows(const calls::GatedForward& call, std::int64_t begin, std::int64_t end) {
  const Floats d;
  const auto gate = call.gate.as<T>();
  const auto value = call.value.as<T>();
  const auto y = call.y.as<T>();
  for (std::int64_t row = begin; row < end; ++row) {
    const T* gate_row = gate.row(row);
    const T* value_row = value.row(row);
    T* y_row = y.row(row);
    const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
      const auto active = Function::value(d, access.load(d, gate_row + i));
      access.store(hn::Mul(active, access.load(d, value_row + i)), d, y_row + i);
    };
    for_each_vector(d, y.columns, step);
  }
}

template <class Function, typename T>
void backward_rows(const calls::GatedBackward& call, std::int64_t begin, std::int64_t end) {
  const Floats d;
  const auto dy = call.dy.as<T>();
  const auto gate = call.gate.as<T>();
  const auto value = call.value.as<T>();
  const auto d_gate = call.d_gate.as<T>();
  const auto d_value = call.d_value.as<T>();
  for (std::int64_t row = begin; row < end; ++row) {
    const T* dy_row = dy.row(row);
    const T* gate_row = gate.row(row);
    const T* value_row = value.row(row);
    T* d_gate_row = d_gate.data == nullptr ? nullptr : d_gate.row(row);
    T* d_value_row = d_value.data == nullptr ? nullptr : d_value.row(row);
    const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
      const auto given = access.load(d, dy_row + i);
      const auto z = access.load(d, gate_row + i);
      const auto factor = access.load(d, value_row + i);
      const auto active = Function::value(d, z);
      if (d_gate_row != nullptr) {
        access.store(hn::Mul(hn::Mul(given, factor), Function::slope(d, z, active)), d, d_gate_row + i);
      }
      if (d_value_row != nullptr) {
        access.store(hn::Mul(given, active), d, d_value_row + i);
      }
    };
    for_each_vector(d, dy.columns, step);
  }
}

}  // namespace

void gated_forward_rows(const calls::GatedForward& call, std::int64_t begin, std::int64_t end) {
  with_activation(call.activation, [&]<class Function>(Function) {
    (call.y.type == DType::bf16 ? forward_rows<Function, BFloat16> : forward_rows<Function, float>)(call, begin, end);
  });
}

void gated_backward_rows(const calls::GatedBackward& call, std::int64_t begin, std::int64_t end) {
  with_activation(call.activation, [&]<class Function>(Function) {
    (call.dy.type == DType::bf16 ? backward_rows<Function, BFloat16> : backward_rows<Function, float>)(call, begin,
                                                                                                       end);
  });
}

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper {

HWY_EXPORT(gated_forward_rows);
HWY_EXPORT(gated_backward_rows);

void CpuKernels::run(const calls::GatedForward& call) {
  (void)common_type(call.kKernel.name, call.gate, call.value, call.y);
  parallel_ranges(call.y.rows, call.y.columns * 5, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(gated_forward_rows)(call, begin, end);
  });
}

void CpuKernels::run(const calls::GatedBackward& call) {
  (void)common_type(call.kKernel.name, call.dy, call.gate, call.value, call.d_gate, call.d_value);
  parallel_ranges(call.dy.rows, call.dy.columns * 8, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(gated_backward_rows)(call, begin, end);
  });
}

}  // namespace temper
#endif  // HWY_ONCE
