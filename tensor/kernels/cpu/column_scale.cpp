// A factor for each column, and its gradient, which is summed over blocks of rows that the shape alone decides.
#include "tensor/kernels/cpu/vector/vector_targets.h"
//
#include <algorithm>
#include <cstdint>

#include "tensor/kernels/cpu/cpu_kernels.h"
#include "tensor/kernels/cpu/vector/column_sums.h"
#include "tensor/kernels/cpu/vector/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/cpu/column_scale.cpp"
#include "hwy/foreach_target.h"
//
#include "hwy/highway.h"
#include "tensor/kernels/cpu/vector/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {
namespace {

template <typename T>
void scale_columns_typed(const calls::ScaleColumns& call, std::int64_t begin, std::int64_t end) {
  const Floats d;
  const auto x = call.x.as<T>();
  const auto y = call.y.as<T>();
  for (std::int64_t row = begin; row < end; ++row) {
    const T* from = x.row(row);
    T* to = y.row(row);
    const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
      auto v = hn::Mul(access.load(d, from + i), access.load(d, call.factors + i));
      if (call.accumulate) {
        v = hn::Add(access.load(d, to + i), v);
      }
      access.store(v, d, to + i);
    };
    for_each_vector(d, y.columns, step);
  }
}

template <typename T>
void add_products_typed(const calls::SumColumnProducts& call, std::int64_t begin, std::int64_t end, float* sums) {
  const Floats d;
  const auto a = call.a.as<T>();
  const auto b = call.b.as<T>();
  for (std::int64_t row = begin; row < end; ++row) {
    const T* of_a = a.row(row);
    const T* of_b = b.row(row);
    const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
      const auto product = hn::Mul(access.load(d, of_a + i), access.load(d, of_b + i));
      access.store(hn::Add(access.load(d, sums + i), product), d, sums + i);
    };
    for_each_vector(d, a.columns, step);
  }
}

}  // namespace

void scale_columns(const calls::ScaleColumns& call, std::int64_t begin, std::int64_t end) {
  (call.y.type == DType::bf16 ? scale_columns_typed<BFloat16> : scale_columns_typed<float>)(call, begin, end);
}

void add_column_products(const calls::SumColumnProducts& call, std::int64_t begin, std::int64_t end, float* sums) {
  (call.a.type == DType::bf16 ? add_products_typed<BFloat16> : add_products_typed<float>)(call, begin, end, sums);
}

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper {

HWY_EXPORT(scale_columns);
HWY_EXPORT(add_column_products);

void CpuKernels::run(const calls::ScaleColumns& call) {
  (void)common_type(call.kKernel.name, call.x, call.y);
  parallel_ranges(call.y.rows, 2 * call.y.columns, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(scale_columns)(call, begin, end);
  });
}

void CpuKernels::run(const calls::SumColumnProducts& call) {
  (void)common_type(call.kKernel.name, call.a, call.b);
  const std::int64_t rows = call.a.rows;
  const std::int64_t columns = call.a.columns;
  ColumnSums sums(rows, columns, true);
  const std::int64_t each = ColumnSums::block_rows(rows);
  parallel_ranges(ColumnSums::blocks(rows), 2 * each * columns, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t block = begin; block < end; ++block) HWY_DYNAMIC_DISPATCH(add_column_products)
    (call, block * each, std::min(rows, (block + 1) * each), sums.block(block));
  });
  sums.write(call.sums, call.accumulate);
}

}  // namespace temper
#endif  // HWY_ONCE
