#include "tensor/kernels/cpu/matmul/bfloat16_pairs.h"

#include "base/error.h"
#include "tensor/kernels/cpu/matmul/product_primitives.h"
#include "tensor/kernels/cpu/vector/bfloat16_instructions.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include <algorithm>
#include <cstring>

#define TEMPER_BF16_TARGET __attribute__((target("avx512f,avx512bf16")))

namespace temper {
namespace {

constexpr int kLanes = 16;
constexpr int kMostRows = 8;

/// c[kRows, 16 kVectors] (+)= a[kRows, 2 pairs] b, held in registers over all pairs.
template <int kRows, int kVectors>
TEMPER_BF16_TARGET void multiply_block(PairOperand a, const float* b, std::int64_t b_stride, std::int64_t pairs,
                                       float* c, std::int64_t c_stride, bool accumulate) {
  __m512 sums[kRows][kVectors];
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < kVectors; ++j) {
      sums[i][j] = accumulate ? _mm512_loadu_ps(c + i * c_stride + j * kLanes) : _mm512_setzero_ps();
    }
  }
  const char* left = static_cast<const char*>(a.data);
  for (std::int64_t p = 0; p < pairs; ++p) {
    __m512bh right[kVectors];
#pragma GCC unroll 2
    for (int j = 0; j < kVectors; ++j) {
      right[j] = reinterpret_cast<__m512bh>(_mm512_loadu_si512(b + p * b_stride + j * kLanes));
    }
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
      int pair;
      std::memcpy(&pair, left + i * a.row + p * a.inner, sizeof(pair));
      const auto both = reinterpret_cast<__m512bh>(_mm512_set1_epi32(pair));
#pragma GCC unroll 2
      for (int j = 0; j < kVectors; ++j) {
        sums[i][j] = _mm512_dpbf16_ps(sums[i][j], both, right[j]);
      }
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < kVectors; ++j) {
      _mm512_storeu_ps(c + i * c_stride + j * kLanes, sums[i][j]);
    }
  }
}

template <int kVectors>
TEMPER_BF16_TARGET void multiply_columns(PairOperand a, const float* b, std::int64_t b_stride, std::int64_t m,
                                         std::int64_t pairs, float* c, std::int64_t c_stride, bool accumulate) {
  using Block = void (*)(PairOperand, const float*, std::int64_t, std::int64_t, float*, std::int64_t, bool);
  constexpr Block kBlocks[kMostRows] = {multiply_block<1, kVectors>, multiply_block<2, kVectors>,
                                        multiply_block<3, kVectors>, multiply_block<4, kVectors>,
                                        multiply_block<5, kVectors>, multiply_block<6, kVectors>,
                                        multiply_block<7, kVectors>, multiply_block<8, kVectors>};
  for (std::int64_t i = 0; i < m;) {
    // Two middling blocks run better than a full and a tiny one.
    const std::int64_t rest = m - i;
    const std::int64_t rows =
        rest > kMostRows && rest < 2 * kMostRows ? (rest + 1) / 2 : std::min<std::int64_t>(rest, kMostRows);
    const PairOperand left{static_cast<const char*>(a.data) + i * a.row, a.row, a.inner};
    kBlocks[rows - 1](left, b, b_stride, pairs, c + i * c_stride, c_stride, accumulate);
    i += rows;
  }
}

}  // namespace

bool has_bfloat16_pairs() {
  static const bool has = processor_multiplies_bf16() && kHasBFloat16Instructions;
  return has;
}

bool bfloat16_pairs_pay() {
  static const bool pay = has_bfloat16_pairs() && __builtin_cpu_is("intel") == 0;
  return pay;
}

void multiply_pairs(PairOperand a, const void* b, std::int64_t b_stride, std::int64_t m, std::int64_t n,
                    std::int64_t pairs, float* c, std::int64_t c_stride, bool accumulate) {
  const auto* right = static_cast<const float*>(b);
  std::int64_t column = 0;
  for (; column + 2 * kLanes <= n; column += 2 * kLanes)
    multiply_columns<2>(a, right + column, b_stride, m, pairs, c + column, c_stride, accumulate);
  if (column < n) multiply_columns<1>(a, right + column, b_stride, m, pairs, c + column, c_stride, accumulate);
}

}  // namespace temper

#else

namespace temper {

bool has_bfloat16_pairs() { return false; }
bool bfloat16_pairs_pay() { return false; }

void multiply_pairs(PairOperand /*a*/, const void* /*b*/, std::int64_t /*b_stride*/, std::int64_t /*m*/,
                    std::int64_t /*n*/, std::int64_t /*pairs*/, float* /*c*/, std::int64_t /*c_stride*/,
                    bool /*accumulate*/) {
  throw Error("this processor has no products of bf16 in pairs");
}

}  // namespace temper

#endif
