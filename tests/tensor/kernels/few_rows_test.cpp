#include "tensor/kernels/cpu/matmul/few_rows.h"

#include <omp.h>

#include "tensor/kernels/cpu/matmul/panel_matmul.h"
#include "tests/tensor/kernels/kernel_testing.h"

namespace temper {
namespace {

class FewRows : public KernelTest {
 protected:
  void SetUp() override {
    KernelTest::SetUp();
    if ((GetParam() & (HWY_AVX2 | HWY_AVX3)) == 0)
      GTEST_SKIP() << "skipped: vectors are too short, and all products run in panels";
  }
};
TEMPER_ON_EACH_INSTRUCTION_SET(FewRows);

constexpr std::int64_t kRowCounts[] = {1, 3, 4, 7, 8, 15, 16, 17, 24, 31, 32};

TEST_P(FewRows, ForwardMatchesNaiveLoop) {
  for (const std::int64_t m : kRowCounts) {
    for (const auto& [n, k] :
         {std::pair<std::int64_t, std::int64_t>{1, 1}, {5, 33}, {150, 48}, {203, 65}, {9, 2 * kPanelDepth + 6}}) {
      const auto a = TestMatrix::random(m, k, 1, k + 3);
      const auto b = TestMatrix::random(n, k, 2, k + 1);
      const auto bias = TestMatrix::random(1, n, 3);
      TestMatrix c(m, n, n + 2);
      auto expected = product(a, false, b, true, c, false);
      ASSERT_TRUE(multiply_few_rows(a, false, b, true, {}, c, false)) << m;
      expect_close(c.values(), expected, 2e-6);
      for (std::size_t i = 0; i < expected.size(); ++i)
        expected[i] += static_cast<double>(bias(0, static_cast<std::int64_t>(i) % n));
      ASSERT_TRUE(multiply_few_rows(a, false, b, true, bias, c, false)) << m;
      expect_close(c.values(), expected, 2e-6);
      EXPECT_TRUE(c.gaps_untouched());
    }
  }
}

TEST_P(FewRows, GradientsMatchNaiveLoop) {
  for (const std::int64_t m : kRowCounts) {
    for (const auto& [n, k] : {std::pair<std::int64_t, std::int64_t>{1, 16}, {35, 48}, {130, 208}}) {
      const auto x = TestMatrix::random(m, k, 1, k + 3);
      const auto dy = TestMatrix::random(m, n, 2, n + 1);
      const auto w = TestMatrix::random(n, k, 3, k + 5);
      for (const bool accumulate : {false, true}) {
        auto dx = TestMatrix::random(m, k, 4, k + 2);
        const auto expected_dx = product(dy, false, w, false, dx, accumulate);
        ASSERT_TRUE(multiply_few_rows(dy, false, w, false, {}, dx, accumulate)) << m;
        expect_close(dx.values(), expected_dx, 2e-6);
        EXPECT_TRUE(dx.gaps_untouched());
        auto dw = TestMatrix::random(n, k, 5, k + 7);
        const auto expected_dw = product(dy, true, x, false, dw, accumulate);
        ASSERT_TRUE(multiply_few_rows(dy, true, x, false, {}, dw, accumulate)) << m;
        expect_close(dw.values(), expected_dw, 2e-6);
        EXPECT_TRUE(dw.gaps_untouched());
      }
    }
  }
}

TEST_P(FewRows, GiveTheSameBitsOnAnyNumberOfThreads) {
  const int before = omp_get_max_threads();
  const auto x = TestMatrix::random(13, 240, 1);
  const auto w = TestMatrix::random(1500, 240, 2);
  const auto dy = TestMatrix::random(13, 1500, 3);
  std::vector<std::vector<double>> on_one;
  for (const int threads : {1, 2, 3}) {
    omp_set_num_threads(threads);
    TestMatrix y(13, 1500);
    TestMatrix dx(13, 240);
    TestMatrix dw(1500, 240);
    ASSERT_TRUE(multiply_few_rows(x, false, w, true, {}, y, false));
    ASSERT_TRUE(multiply_few_rows(dy, false, w, false, {}, dx, false));
    ASSERT_TRUE(multiply_few_rows(dy, true, x, false, {}, dw, false));
    const std::vector<std::vector<double>> results{y.values(), dx.values(), dw.values()};
    if (threads == 1) on_one = results;
    EXPECT_EQ(results, on_one);
  }
  omp_set_num_threads(before);
}

TEST_P(FewRows, LeaveTheRestToOthers) {
  TestMatrix c(kFewRows + 1, 16);
  EXPECT_FALSE(multiply_few_rows(TestMatrix(kFewRows + 1, 4), false, TestMatrix(16, 4), true, {}, c, false));
  TestMatrix both(4, 16);
  TestMatrix odd(4, 15);
  EXPECT_FALSE(multiply_few_rows(TestMatrix(4, 3), false, TestMatrix(3, 15), false, {}, odd, false));
  EXPECT_FALSE(multiply_few_rows(TestMatrix(3, 4), true, TestMatrix(3, 15), false, {}, odd, false));
  EXPECT_FALSE(multiply_few_rows(TestMatrix(3, 4), true, TestMatrix(16, 3), true, {}, both, false));
  EXPECT_FALSE(multiply_few_rows(TestMatrix(4, 3), false, TestMatrix(16, 3), true, {}, both, true));
}

}  // namespace
}  // namespace temper
