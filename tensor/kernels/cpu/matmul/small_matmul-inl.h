// Products of the small matrices that attention consists of: a tile of queries by a tile of keys or by a head's width.
// A call into oneDNN would cost more than the product. Whole vectors only: the columns of b and c are padded to a
// multiple of a vector, and the padding of b only ever reaches the padding of c.

#if defined(TEMPER_SMALL_MATMUL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_SMALL_MATMUL_INL_H_
#undef TEMPER_SMALL_MATMUL_INL_H_
#else
#define TEMPER_SMALL_MATMUL_INL_H_
#endif

#include <algorithm>
#include <cstdint>

#include "tensor/kernels/cpu/vector/vector_math-inl.h"

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
HWY_NOINLINE void multiply_block(const LeftOperand& a, const float* b, std::int64_t b_stride, std::int64_t k, float* c,
                                 std::int64_t c_stride, bool accumulate) {
  const Floats d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  FloatVector sums[kRows][kVectors];
  HWY_UNROLL(24)
  for (int i = 0; i < kRows; ++i) {
    HWY_UNROLL(4)
    for (int j = 0; j < kVectors; ++j) {
      sums[i][j] = accumulate ? hn::LoadU(d, c + i * c_stride + j * lanes) : hn::Zero(d);
    }
  }
  for (std::int64_t p = 0; p < k; ++p) {
    FloatVector right[kVectors];
    HWY_UNROLL(4)
    for (int j = 0; j < kVectors; ++j) {
      right[j] = hn::LoadU(d, b + p * b_stride + j * lanes);
    }
    HWY_UNROLL(24)
    for (int i = 0; i < kRows; ++i) {
      const auto left = hn::Set(d, a.data[i * a.row + p * a.inner]);
      HWY_UNROLL(4)
      for (int j = 0; j < kVectors; ++j) {
        sums[i][j] = hn::MulAdd(left, right[j], sums[i][j]);
      }
    }
  }
  HWY_UNROLL(24)
  for (int i = 0; i < kRows; ++i) {
    HWY_UNROLL(4)
    for (int j = 0; j < kVectors; ++j) {
      hn::StoreU(sums[i][j], d, c + i * c_stride + j * lanes);
    }
  }
}

/// Vectors of the widest block.
constexpr int kWidestBlock = HWY_TARGET == HWY_AVX2 ? 2 : 4;

/// Rows of a block: as many as leave registers for b and one for a, of 32 with AVX-512, of 16 elsewhere. AVX2 needs ten
/// sums under way at least, and has room for twelve only where blocks are narrow.
template <int kVectors>
constexpr int most_rows() {
  constexpr int kSums = HWY_TARGET == HWY_AVX3 ? 24 : HWY_TARGET == HWY_AVX2 ? 12 : 8;
  return kSums / kVectors;
}

template <int kRows, int kVectors>
HWY_INLINE void multiply_rows_of_block(std::int64_t rows, const LeftOperand& a, const float* b, std::int64_t b_stride,
                                       std::int64_t k, float* c, std::int64_t c_stride, bool accumulate) {
  if (rows == kRows) {
    multiply_block<kRows, kVectors>(a, b, b_stride, k, c, c_stride, accumulate);
  } else if constexpr (kRows > 1) {
    multiply_rows_of_block<kRows - 1, kVectors>(rows, a, b, b_stride, k, c, c_stride, accumulate);
  }
}

template <int kVectors>
HWY_INLINE void multiply_columns(const LeftOperand& a, const float* b, std::int64_t b_stride, std::int64_t m,
                                 std::int64_t k, float* c, std::int64_t c_stride, bool accumulate) {
  constexpr int kMostRows = most_rows<kVectors>();
  // Middling blocks run better than full ones and a tiny one.
  const std::int64_t blocks = (m + kMostRows - 1) / kMostRows;
  for (std::int64_t block = 0; block < blocks; ++block) {
    const std::int64_t i = m * block / blocks;
    const std::int64_t rows = m * (block + 1) / blocks - i;
    multiply_rows_of_block<kMostRows, kVectors>(rows, {a.data + i * a.row, a.row, a.inner}, b, b_stride, k,
                                                c + i * c_stride, c_stride, accumulate);
  }
}

/// c [m, n] (+)= a [m, k] b [k, n], where n is a multiple of a vector.
inline void small_matmul(const LeftOperand& a, const float* b, std::int64_t b_stride, std::int64_t m, std::int64_t n,
                         std::int64_t k, float* c, std::int64_t c_stride, bool accumulate) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(Floats()));
  std::int64_t column = 0;
  if constexpr (kWidestBlock == 4) {
    for (; column + 4 * lanes <= n; column += 4 * lanes) {
      multiply_columns<4>(a, b + column, b_stride, m, k, c + column, c_stride, accumulate);
    }
  }
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
