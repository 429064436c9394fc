#include "tensor/kernels/cpu/matmul/bfloat16_pairs.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "tensor/bfloat16.h"

namespace temper {
namespace {

std::vector<BFloat16> random_elements(std::int64_t n, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<BFloat16> elements(static_cast<std::size_t>(n));
  for (BFloat16& element : elements) element = to_bfloat16(normal(generator));
  return elements;
}

TEST(BFloat16Pairs, MultiplyAsANaiveLoop) {
  if (!has_bfloat16_pairs()) GTEST_SKIP() << "skipped: this processor has no products of bf16 in pairs";
  for (const std::int64_t m : {1, 3, 8, 9, 15, 17}) {
    for (const std::int64_t n : {16, 32, 48}) {
      for (const std::int64_t pairs : {1, 2, 13}) {
        const auto a = random_elements(m * 2 * pairs, 1);
        const auto b = random_elements(2 * pairs * n, 2);  // row p: (2 p, j), (2 p + 1, j), one after the other
        for (const bool accumulate : {false, true}) {
          std::vector<float> c(static_cast<std::size_t>(m * (n + 1)), 0.5F);
          multiply_pairs({a.data(), 4 * pairs, 4}, b.data(), n, m, n, pairs, c.data(), n + 1, accumulate);
          for (std::int64_t i = 0; i < m; ++i) {
            for (std::int64_t j = 0; j < n; ++j) {
              double sum = accumulate ? 0.5 : 0.0;
              for (std::int64_t q = 0; q < 2 * pairs; ++q)
                sum += double{to_float(a[static_cast<std::size_t>(i * 2 * pairs + q)])} *
                       double{to_float(b[static_cast<std::size_t>((q / 2 * n + j) * 2 + q % 2)])};
              ASSERT_NEAR(c[static_cast<std::size_t>(i * (n + 1) + j)], sum, 1e-5) << m << ' ' << n << ' ' << pairs;
            }
            ASSERT_EQ(c[static_cast<std::size_t>(i * (n + 1) + n)], 0.5F);
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace temper
