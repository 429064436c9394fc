// Rows fetched by index, and their gradients added back. Additions to one row keep the order of the tokens: threads
// share columns, never tokens.
#include "tensor/kernels/cpu/vector_targets.h"
//
#include <algorithm>
#include <cstdint>

#include "tensor/kernels/cpu/cpu_kernels.h"
#include "tensor/kernels/cpu/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/cpu/embedding.cpp"
#include "hwy/foreach_target.h"
//
#include "hwy/highway.h"
#include "tensor/kernels/cpu/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {

/// y = a + b + c of n elements; c may be null.
void add_embeddings(const float* a, const float* b, const float* c, float* y, std::int64_t n) {
  const Floats d;
  const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
    auto v = hn::Add(access.load(d, a + i), access.load(d, b + i));
    if (c != nullptr) {
      v = hn::Add(v, access.load(d, c + i));
    }
    access.store(v, d, y + i);
  };
  for_each_vector(d, n, step);
}

/// table[ids[t]] += dy[t] for every row t of dy, in columns [begin, end).
void add_rows_at(ConstMatrix dy, const std::int32_t* ids, Matrix table, std::int64_t begin, std::int64_t end) {
  const Floats d;
  for (std::int64_t t = 0; t < dy.rows; ++t) {
    const float* from = dy.row(t) + begin;
    float* to = table.row(ids[t]) + begin;
    const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
      access.store(hn::Add(access.load(d, to + i), access.load(d, from + i)), d, to + i);
    };
    for_each_vector(d, end - begin, step);
  }
}

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper {

HWY_EXPORT(add_embeddings);
HWY_EXPORT(add_rows_at);

namespace {

// Columns that a thread takes together: whole cache lines.
constexpr std::int64_t kColumnGranule = 16;

}  // namespace

void CpuKernels::embedding_sum_forward(const float* words, const std::int32_t* ids, const float* positions,
                                       const std::int32_t* position_ids, const float* types,
                                       const std::int32_t* type_ids, Matrix y) {
  const std::int64_t width = y.columns;
  parallel_ranges(y.rows, width, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) {
      HWY_DYNAMIC_DISPATCH(add_embeddings)
      (words + ids[t] * width, positions + position_ids[t] * width,
       types == nullptr ? nullptr : types + type_ids[t] * width, y.row(t), width);
    }
  });
}

void CpuKernels::embedding_backward(ConstMatrix dy, const std::int32_t* ids, float* d_table) {
  scatter_add_rows(dy, ids, {d_table, 0, dy.columns, dy.columns});
}

void CpuKernels::gather_rows(ConstMatrix x, const std::int32_t* rows, Matrix y) {
  parallel_ranges(y.rows, y.columns, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      std::copy_n(x.row(rows[i]), y.columns, y.row(i));
    }
  });
}

void CpuKernels::scatter_add_rows(ConstMatrix dy, const std::int32_t* rows, Matrix dx) {
  parallel_ranges(
      dy.columns, dy.rows,
      [&](std::int64_t begin, std::int64_t end) {
        HWY_DYNAMIC_DISPATCH(add_rows_at)
        (dy, rows, dx, begin, end);
      },
      kColumnGranule);
}

}  // namespace temper
#endif  // HWY_ONCE
