// Sums of products of rows with rows, along both: what products are made of whose right operand is read as it lies.

#if defined(TEMPER_ROW_SUMS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_ROW_SUMS_INL_H_
#undef TEMPER_ROW_SUMS_INL_H_
#else
#define TEMPER_ROW_SUMS_INL_H_
#endif

#include <cstdint>

#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "tensor/kernels/cpu/vector/float16_loads-inl.h"
#include "tensor/kernels/cpu/vector/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {

/// sums [kRows, kOutputs] = x [kRows, k] w^T [k, kOutputs]: each in f32, as so many sums as a vector has lanes, which
/// are then added. Meanwhile the rows that come next are fetched, if they are those behind the last one.
template <int kRows, int kOutputs, bool kNextIsBehind, typename T>
HWY_NOINLINE void row_sums(const float* x, std::int64_t x_stride, const T* w, std::int64_t w_stride, std::int64_t k,
                           float* sums) {
  const Floats d;
  FloatVector parts[kRows][kOutputs];
  HWY_UNROLL(4)
  for (int i = 0; i < kRows; ++i) {
    HWY_UNROLL(8)
    for (int j = 0; j < kOutputs; ++j) {
      parts[i][j] = hn::Zero(d);
    }
  }
  const auto step = [&](auto access, std::int64_t p) TEMPER_VECTOR_LAMBDA {
    FloatVector left[kRows];
    HWY_UNROLL(4)
    for (int i = 0; i < kRows; ++i) {
      left[i] = access.load(d, x + i * x_stride + p);
    }
    HWY_UNROLL(8)
    for (int j = 0; j < kOutputs; ++j) {
      const T* from = w + j * w_stride + p;
      const auto right = load_weights(access, d, from);
      // What is read from beginning to end the processor fetches itself.
      if constexpr (kOutputs > 1 && kNextIsBehind) hwy::Prefetch(from + kOutputs * w_stride);
      HWY_UNROLL(4)
      for (int i = 0; i < kRows; ++i) {
        parts[i][j] = hn::MulAdd(left[i], right, parts[i][j]);
      }
    }
  };
  for_each_vector(d, k, step);
  HWY_UNROLL(4)
  for (int i = 0; i < kRows; ++i) {
    HWY_UNROLL(8)
    for (int j = 0; j < kOutputs; ++j) {
      sums[i * kOutputs + j] = hn::GetLane(hn::SumOfLanes(d, parts[i][j]));
    }
  }
}

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
