#include "tensor/kernels/cpu/matmul/panel_matmul.h"

#include <omp.h>

#include <tuple>

#include "tests/tensor/kernels/kernel_testing.h"

namespace temper {
namespace {

class PanelMatmul : public KernelTest {
 protected:
  static void multiply(const TestMatrix& a, bool transpose_a, const TestMatrix& b, bool transpose_b, const float* bias,
                       TestMatrix& c, bool accumulate) {
    multiply_in_panels(ConstRows(a).as<float>(), transpose_a, ConstRows(b).as<float>(), transpose_b, bias,
                       Rows(c).as<float>(), accumulate, [](std::int64_t, std::int64_t) {});
  }
};

TEMPER_ON_EACH_INSTRUCTION_SET(PanelMatmul);

TEST_P(PanelMatmul, MatchesNaiveLoopAtEveryEdge) {
  for (const auto& [m, n, k] : {std::tuple{1, 1, 1},
                                {8, 48, 16},
                                {6, 16, 8},
                                {4, 8, 4},
                                {5, 15, 3},
                                {7, 47, 15},
                                {9, 49, 17},
                                {16, 400, 256},
                                {3, 97, 257},
                                {260, 50, 33},
                                {20, 96, 1030},
                                {530, 24, 520},
                                {270, 20, 1021},  // rows of a 1,024 apart
                                {513, 5, 7}}) {
    for (const auto& [transpose_a, transpose_b] :
         {std::pair{false, false}, {false, true}, {true, false}, {true, true}}) {
      for (const bool accumulate : {false, true}) {
        const auto a = transpose_a ? TestMatrix::random(k, m, 1, m + 3) : TestMatrix::random(m, k, 1, k + 3);
        const auto b = transpose_b ? TestMatrix::random(n, k, 2, k + 5) : TestMatrix::random(k, n, 2, n + 5);
        const auto bias = TestMatrix::random(1, n, 4);
        auto c = TestMatrix::random(m, n, 3, n + 2);
        auto expected = product(a, transpose_a, b, transpose_b, c, accumulate);
        if (!transpose_a) {
          for (std::size_t i = 0; i < expected.size(); ++i)
            expected[i] += static_cast<double>(bias(0, static_cast<std::int64_t>(i) % n));
        }
        multiply(a, transpose_a, b, transpose_b, transpose_a ? nullptr : bias.data(), c, accumulate);
        expect_close(c.values(), expected, 2e-6);
        EXPECT_TRUE(c.gaps_untouched());
      }
    }
  }
}

TEST_P(PanelMatmul, GivesTheSameBitsOnAnyNumberOfThreadsAndReportsEachRowOnce) {
  const int before = omp_get_max_threads();
  for (const auto& [transpose_a, transpose_b] : {std::pair{false, false}, {false, true}, {true, false}}) {
    const std::int64_t m = 603;
    const std::int64_t n = 200;
    const std::int64_t k = 700;
    const auto a = transpose_a ? TestMatrix::random(k, m, 1) : TestMatrix::random(m, k, 1);
    const auto b = transpose_b ? TestMatrix::random(n, k, 2) : TestMatrix::random(k, n, 2);
    std::vector<double> on_one;
    for (const int threads : {1, 2, 3, 5}) {
      omp_set_num_threads(threads);
      TestMatrix c(m, n);
      std::vector<int> reported(static_cast<std::size_t>(m));
      multiply_in_panels(ConstRows(a).as<float>(), transpose_a, ConstRows(b).as<float>(), transpose_b, nullptr,
                         Rows(c).as<float>(), false, [&](std::int64_t first, std::int64_t count) {
                           for (std::int64_t i = first; i < first + count; ++i) ++reported[static_cast<std::size_t>(i)];
                         });
      EXPECT_EQ(reported, std::vector<int>(static_cast<std::size_t>(m), 1));
      if (threads == 1) on_one = c.values();
      EXPECT_EQ(c.values(), on_one) << threads;
    }
  }
  omp_set_num_threads(before);
}

TEST_P(PanelMatmul, GivesTheSameBitsWhereverRowsLie) {
  const std::int64_t m = 130;
  const std::int64_t n = 100;
  const std::int64_t k = 600;
  const auto b = TestMatrix::random(n, k, 2);
  const auto tight = TestMatrix::random(m, k, 1);
  TestMatrix from_tight(m, n);
  multiply(tight, false, b, true, nullptr, from_tight, false);
  for (const std::int64_t stride : {603, 1024, 2048}) {
    const auto apart = TestMatrix::random(m, k, 1, stride);
    ASSERT_EQ(apart.values(), tight.values());
    TestMatrix from_apart(m, n);
    multiply(apart, false, b, true, nullptr, from_apart, false);
    EXPECT_EQ(from_apart.values(), from_tight.values()) << stride;
  }
}

}  // namespace
}  // namespace temper
