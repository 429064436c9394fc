// Products of the small matrices that attention consists of: a tile of queries by a tile of keys or by a head's width.
// A call into oneDNN would cost more than the product. Whole vectors only: the columns of b and c are padded to a
// multiple of a vector, and what stands in the padding of b only ever reaches the padding of c.

#if defined(TEMPER_SMALL_MATMUL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SMALL_MATMUL_INL_H_
#undef TEMPER_SMALL_MATMUL_INL_H_
#else
#define TEMPER_SMALL_MATMUL_INL_H_
#endif

#include <algorithm>
#include <cstdint>

#include "tensor/kernels/cpu/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {

/// The left operand: element (i, p) lies at data[i * row + p * inner], so that either matrix order will do.
struct LeftOperand {
  const float* data;
  std::int64_t row;
  std::int64_t inner;
};

/// c[kRows, kVectors vectors] (+)= a[kRows, k] b[k, kVectors vectors], held in registers over the whole of k.
template <int kRows, int kVectors>
void multiply_block(LeftOperand a, const float* b, std::int64_t b_stride, std::int64_t k, float* c,
                    std::int64_t c_stride, bool accumulate) {
  const Floats d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  FloatVector sums[kRows][kVectors];
  HWY_UNROLL(8)
  for (int i = 0; i < kRows; ++i) {
    HWY_UNROLL(2)
    for (int j = 0; j < kVectors; ++j) {
      sums[i][j] = accumulate ? hn::LoadU(d, c + i * c_stride + j * lanes) : hn::Zero(d);
    }
  }
  for (std::int64_t p = 0; p < k; ++p) {
    FloatVector right[kVectors];
    HWY_UNROLL(2)
    for (int j = 0; j < kVectors; ++j) {
      right[j] = hn::LoadU(d, b + p * b_stride + j * lanes);
    }
    HWY_UNROLL(8)
    for (int i = 0; i < kRows; ++i) {
      const auto left = hn::Set(d, a.data[i * a.row + p * a.inner]);
      HWY_UNROLL(2)
      for (int j = 0; j < kVectors; ++j) {
        sums[i][j] = hn::MulAdd(left, right[j], sums[i][j]);
      }
    }
  }
  HWY_UNROLL(8)
  for (int i = 0; i < kRows; ++i) {
    HWY_UNROLL(2)
    for (int j = 0; j < kVectors; ++j) {
      hn::StoreU(sums[i][j], d, c + i * c_stride + j * lanes);
    }
  }
}

template <int kVectors>
HWY_INLINE void multiply_columns(LeftOperand a, const float* b, std::int64_t b_stride, std::int64_t m, std::int64_t k,
                                 float* c, std::int64_t c_stride, bool accumulate) {
  // As many rows as leave registers for b: of 32 with AVX-512, of 16 elsewhere.
  constexpr int kMostRows = HWY_TARGET == HWY_AVX3 ? 8 : 4;
  for (std::int64_t i = 0; i < m;) {
    const LeftOperand left{a.data + i * a.row, a.row, a.inner};
    float* to = c + i * c_stride;
    // Two middling blocks run better than a full and a tiny one.
    const std::int64_t rest = m - i;
    const std::int64_t rows =
        rest > kMostRows && rest < 2 * kMostRows ? (rest + 1) / 2 : std::min<std::int64_t>(rest, kMostRows);
    switch (rows) {
      case 1:
        multiply_block<1, kVectors>(left, b, b_stride, k, to, c_stride, accumulate);
        break;
      case 2:
        multiply_block<2, kVectors>(left, b, b_stride, k, to, c_stride, accumulate);
        break;
      case 3:
        multiply_block<3, kVectors>(left, b, b_stride, k, to, c_stride, accumulate);
        break;
      case 4:
        multiply_block<4, kVectors>(left, b, b_stride, k, to, c_stride, accumulate);
        break;
#if HWY_TARGET == HWY_AVX3
      case 5:
        multiply_block<5, kVectors>(left, b, b_stride, k, to, c_stride, accumulate);
        break;
      case 6:
        multiply_block<6, kVectors>(left, b, b_stride, k, to, c_stride, accumulate);
        break;
      case 7:
        multiply_block<7, kVectors>(left, b, b_stride, k, to, c_stride, accumulate);
        break;
      default:
        multiply_block<8, kVectors>(left, b, b_stride, k, to, c_stride, accumulate);
        break;
#else
      default:
        break;
#endif
    }
    i += rows;
  }
}

/// c [m, n] (+)= a [m, k] b [k, n], where n is a multiple of a vector.
inline void small_matmul(LeftOperand a, const float* b, std::int64_t b_stride, std::int64_t m, std::int64_t n,
                         std::int64_t k, float* c, std::int64_t c_stride, bool accumulate) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(Floats()));
  std::int64_t column = 0;
  for (; column + 2 * lanes <= n; column += 2 * lanes) {
    multiply_columns<2>(a, b + column, b_stride, m, k, c + column, c_stride, accumulate);
  }
  if (column < n) {
    multiply_columns<1>(a, b + column, b_stride, m, k, c + column, c_stride, accumulate);
  }
}

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

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
