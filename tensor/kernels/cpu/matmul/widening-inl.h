// Weights in bf16, f16 or quantised that f32 multiplies: turned into the f32 that they stand for, a block at a time,
// where a product would read them. So a product has the bits that it has with the same weights in f32.

#if defined(TEMPER_WIDENING_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_WIDENING_INL_H_
#undef TEMPER_WIDENING_INL_H_
#else
#define TEMPER_WIDENING_INL_H_
#endif

#include <cstdint>

#include "hwy/highway.h"
#include "tensor/kernels/cpu/quantized_blocks.h"
#include "tensor/kernels/cpu/vector/float16_loads-inl.h"
#include "tensor/kernels/cpu/vector/vector_math-inl.h"
#include "tensor/rows.h"

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {

/// A row as f32.
template <typename T>
HWY_INLINE void widen_row(const T* from, std::int64_t columns, float* to) {
  const Floats d;
  for_each_vector(d, columns, [&](auto access, std::int64_t p) TEMPER_VECTOR_LAMBDA {
    access.store(load_weights(access, d, from + p), d, to + p);
  });
}

/// The rows of a matrix that may be narrow, `stride` floats apart.
inline void widen_rows(ConstRows a, float* to, std::int64_t stride) {
  if (is_quantized(a.type)) return decode_rows(a, to, stride);
  for (std::int64_t i = 0; i < a.rows; ++i) {
    if (a.type == DType::bf16) {
      widen_row(a.as<BFloat16>().row(i), a.columns, to + i * stride);
    } else if (a.type == DType::f16) {
      widen_row(a.as<Float16>().row(i), a.columns, to + i * stride);
    } else {
      widen_row(a.as<float>().row(i), a.columns, to + i * stride);
    }
  }
}

/// Columns [first, first + count) of a matrix.
inline ConstRows columns_of(ConstRows a, std::int64_t first, std::int64_t count) {
  return a.window(0, a.rows, first, count);
}

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
