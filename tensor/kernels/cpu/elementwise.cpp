// Sums, products and multiples of matrices, element by element.
#include "tensor/kernels/cpu/vector/vector_targets.h"
//
#include <cstdint>

#include "tensor/kernels/cpu/cpu_kernels.h"
#include "tensor/kernels/cpu/vector/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/cpu/elementwise.cpp"
#include "hwy/foreach_target.h"
//
#include "hwy/highway.h"
#include "tensor/kernels/cpu/vector/row_dropout-inl.h"
#include "tensor/kernels/cpu/vector/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {
namespace {

template <typename T>
void add_typed(const calls::AddRows& call, std::int64_t begin, std::int64_t end) {
  const Floats d;
  const auto a = call.a.as<T>();
  const auto b = call.b.as<T>();
  const auto y = call.y.as<T>();
  RowDropout mask(call.dropout, call.names, y.columns);
  const bool drops = mask.active();
  for (std::int64_t row = begin; row < end; ++row) {
    mask.draw(row);
    const T* a_row = a.row(row);
    const T* b_row = b.row(row);
    T* y_row = y.row(row);
    const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
      auto v = access.load(d, a_row + i);
      if (drops) {
        v = mask.apply(d, v, i);
      }
      access.store(hn::Add(v, access.load(d, b_row + i)), d, y_row + i);
    };
    for_each_vector(d, y.columns, step);
  }
}

template <typename T>
void multiply_typed(const calls::MultiplyRows& call, std::int64_t begin, std::int64_t end) {
  const Floats d;
  const auto a = call.a.as<T>();
  const auto b = call.b.as<T>();
  const auto y = call.y.as<T>();
  for (std::int64_t row = begin; row < end; ++row) {
    const T* a_row = a.row(row);
    const T* b_row = b.row(row);
    T* y_row = y.row(row);
    const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
      auto v = hn::Mul(access.load(d, a_row + i), access.load(d, b_row + i));
      if (call.accumulate) {
        v = hn::Add(access.load(d, y_row + i), v);
      }
      access.store(v, d, y_row + i);
    };
    for_each_vector(d, y.columns, step);
  }
}

template <typename T>
void scale_typed(const calls::ScaleRows& call, std::int64_t begin, std::int64_t end) {
  const Floats d;
  const auto x = call.x.as<T>();
  const auto y = call.y.as<T>();
  const auto factor = hn::Set(d, call.factor);
  for (std::int64_t row = begin; row < end; ++row) {
    const T* x_row = x.row(row);
    T* y_row = y.row(row);
    const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
      auto v = hn::Mul(access.load(d, x_row + i), factor);
      if (call.accumulate) {
        v = hn::Add(access.load(d, y_row + i), v);
      }
      access.store(v, d, y_row + i);
    };
    for_each_vector(d, y.columns, step);
  }
}

}  // namespace

void add_rows(const calls::AddRows& call, std::int64_t begin, std::int64_t end) {
  (call.y.type == DType::bf16 ? add_typed<BFloat16> : add_typed<float>)(call, begin, end);
}

void multiply_rows(const calls::MultiplyRows& call, std::int64_t begin, std::int64_t end) {
  (call.y.type == DType::bf16 ? multiply_typed<BFloat16> : multiply_typed<float>)(call, begin, end);
}

void scale_rows(const calls::ScaleRows& call, std::int64_t begin, std::int64_t end) {
  (call.y.type == DType::bf16 ? scale_typed<BFloat16> : scale_typed<float>)(call, begin, end);
}

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper {

HWY_EXPORT(add_rows);
HWY_EXPORT(multiply_rows);
HWY_EXPORT(scale_rows);

void CpuKernels::run(const calls::AddRows& call) {
  (void)common_type(call.kKernel.name, call.a, call.b, call.y);
  parallel_ranges(call.y.rows, call.y.columns * (call.dropout.active() ? 3 : 2),
                  [&](std::int64_t begin, std::int64_t end) {
                    HWY_DYNAMIC_DISPATCH(add_rows)
                    (call, begin, end);
                  });
}

void CpuKernels::run(const calls::MultiplyRows& call) {
  (void)common_type(call.kKernel.name, call.a, call.b, call.y);
  parallel_ranges(call.y.rows, call.y.columns * 2, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(multiply_rows)(call, begin, end);
  });
}

void CpuKernels::run(const calls::ScaleRows& call) {
  (void)common_type(call.kKernel.name, call.x, call.y);
  parallel_ranges(call.y.rows, call.y.columns, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(scale_rows)(call, begin, end);
  });
}

}  // namespace temper
#endif  // HWY_ONCE
