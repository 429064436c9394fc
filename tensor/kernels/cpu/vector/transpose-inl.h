// Transposing in registers.

#if defined(TEMPER_TRANSPOSE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_TRANSPOSE_INL_H_
#undef TEMPER_TRANSPOSE_INL_H_
#else
#define TEMPER_TRANSPOSE_INL_H_
#endif

#include <algorithm>
#include <cstdint>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// y [columns, rows] = the transpose of x [rows, columns], rows >= 1. y's rows may be read and written up to the next
/// multiple of 4 beyond `rows`; what is left there is finite where x is.
inline void transpose(const float* x, std::int64_t x_stride, std::int64_t rows, std::int64_t columns, float* y,
                      std::int64_t y_stride) {
#if HWY_TARGET == HWY_SCALAR
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t column = 0; column < columns; ++column) {
      y[column * y_stride + row] = x[row * x_stride + column];
    }
  }
#else
  const hn::FixedTag<float, 4> d;
  const hn::FixedTag<double, 2> d64;
  for (std::int64_t row = 0; row < rows; row += 4) {
    const float* x0 = x + row * x_stride;
    const float* x1 = x + std::min(row + 1, rows - 1) * x_stride;
    const float* x2 = x + std::min(row + 2, rows - 1) * x_stride;
    const float* x3 = x + std::min(row + 3, rows - 1) * x_stride;
    std::int64_t column = 0;
    for (; column + 4 <= columns; column += 4) {
      const auto a = hn::LoadU(d, x0 + column);
      const auto b = hn::LoadU(d, x1 + column);
      const auto c = hn::LoadU(d, x2 + column);
      const auto e = hn::LoadU(d, x3 + column);
      const auto ab_lower = hn::BitCast(d64, hn::InterleaveLower(d, a, b));
      const auto ab_upper = hn::BitCast(d64, hn::InterleaveUpper(d, a, b));
      const auto ce_lower = hn::BitCast(d64, hn::InterleaveLower(d, c, e));
      const auto ce_upper = hn::BitCast(d64, hn::InterleaveUpper(d, c, e));
      float* to = y + column * y_stride + row;
      hn::StoreU(hn::BitCast(d, hn::InterleaveLower(d64, ab_lower, ce_lower)), d, to);
      hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(d64, ab_lower, ce_lower)), d, to + y_stride);
      hn::StoreU(hn::BitCast(d, hn::InterleaveLower(d64, ab_upper, ce_upper)), d, to + 2 * y_stride);
      hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(d64, ab_upper, ce_upper)), d, to + 3 * y_stride);
    }
    for (; column < columns; ++column) {
      float* to = y + column * y_stride + row;
      to[0] = x0[column];
      to[1] = x1[column];
      to[2] = x2[column];
      to[3] = x3[column];
    }
  }
#endif
}

#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX2
/// y [4, lanes] = the transpose of x [lanes, 4], lanes being those of the widest vector.
HWY_INLINE void transpose_4_of_lanes(const float* x, std::int64_t x_stride, float* y, std::int64_t y_stride) {
  const hn::ScalableTag<float> d;
  const hn::ScalableTag<double> d64;
  const hn::Half<decltype(d)> half;
  const hn::FixedTag<float, 4> quarter;
  // Rows i, i + 4, and so on.
  const auto every_fourth_row = [&](std::int64_t i) HWY_ATTR __attribute__((always_inline)) {
    const auto row = [&](std::int64_t j) HWY_ATTR __attribute__((always_inline)) {
      return hn::LoadU(quarter, x + (i + j) * x_stride);
    };
#if HWY_TARGET == HWY_AVX3
    return hn::Combine(d, hn::Combine(half, row(12), row(8)), hn::Combine(half, row(4), row(0)));
#else
    (void)half;
    return hn::Combine(d, row(4), row(0));
#endif
  };
  const auto a = every_fourth_row(0);
  const auto b = every_fourth_row(1);
  const auto c = every_fourth_row(2);
  const auto e = every_fourth_row(3);
  const auto ab_lower = hn::BitCast(d64, hn::InterleaveLower(d, a, b));
  const auto ab_upper = hn::BitCast(d64, hn::InterleaveUpper(d, a, b));
  const auto ce_lower = hn::BitCast(d64, hn::InterleaveLower(d, c, e));
  const auto ce_upper = hn::BitCast(d64, hn::InterleaveUpper(d, c, e));
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(d64, ab_lower, ce_lower)), d, y);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(d64, ab_lower, ce_lower)), d, y + y_stride);
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(d64, ab_upper, ce_upper)), d, y + 2 * y_stride);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(d64, ab_upper, ce_upper)), d, y + 3 * y_stride);
}
#else
/// The same of 4.
HWY_INLINE void transpose_4_of_lanes(const float* x, std::int64_t x_stride, float* y, std::int64_t y_stride) {
  for (std::int64_t i = 0; i < 4; ++i) {
    for (std::int64_t j = 0; j < 4; ++j) y[i * y_stride + j] = x[j * x_stride + i];
  }
}
#endif

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
