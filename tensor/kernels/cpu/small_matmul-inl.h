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

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
