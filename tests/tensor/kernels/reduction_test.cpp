#include <omp.h>

#include "tests/tensor/kernels/kernel_testing.h"

namespace temper {
namespace {

class ReductionTest : public KernelTest {};
TEMPER_ON_EACH_INSTRUCTION_SET(ReductionTest);

TEST_P(ReductionTest, AddMayWriteOverItsInput) {
  auto a = TestMatrix::random(1, 37, 1);
  const auto b = TestMatrix::random(1, 37, 2);
  std::vector<float> expected;
  for (std::int64_t i = 0; i < 37; ++i) {
    expected.push_back(a(0, i) + b(0, i));
  }
  kernels_.add(a.data(), b.data(), a.data(), 37);
  EXPECT_EQ(a.values(), to_double(expected));
}

TEST_P(ReductionTest, SumOfSquaresIsExactToDouble) {
  for (const std::int64_t n : {0, 1, 7, 33, 384, 100003}) {
    const auto x = TestMatrix::random(1, n, 1);
    const auto values = x.values();
    const double expected = dot(values, values);
    EXPECT_NEAR(kernels_.sum_of_squares(x.data(), n), expected, 1e-12 * expected);
  }
}

TEST_P(ReductionTest, SumOfSquaresHasTheSameBitsOnAnyNumberOfThreads) {
  const int before = omp_get_max_threads();
  const auto x = TestMatrix::random(1, 300001, 1);
  std::vector<double> sums;
  for (const int threads : {1, 2, 3}) {
    omp_set_num_threads(threads);
    sums.push_back(kernels_.sum_of_squares(x.data(), 300001));
  }
  omp_set_num_threads(before);
  EXPECT_EQ(sums[1], sums[0]);
  EXPECT_EQ(sums[2], sums[0]);
}

}  // namespace
}  // namespace temper
