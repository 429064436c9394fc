#include <omp.h>

#include <algorithm>
#include <tuple>

#include "base/error.h"
#include "tensor/device.h"
#include "tests/tensor/kernels/kernel_testing.h"

namespace temper {
namespace {

/// The instruction set also decides which products are left to oneDNN (panel_matmul.h).
class MatmulOfF32 : public KernelTest {};
TEMPER_ON_EACH_INSTRUCTION_SET(MatmulOfF32);

TEST_P(MatmulOfF32, MatchesNaiveLoopForEachOrderAndStride) {
  for (const auto& [m, n, k] : {std::tuple{1, 1, 1},
                                {7, 33, 5},
                                {33, 7, 1},
                                {40, 400, 33},
                                {401, 30, 17},
                                {900, 37, 18},
                                {260, 3, 1600},
                                {3, 390, 1600}}) {
    for (const bool transpose_a : {false, true}) {
      for (const bool transpose_b : {false, true}) {
        for (const bool accumulate : {false, true}) {
          const auto a = transpose_a ? TestMatrix::random(k, m, 1, m + 3) : TestMatrix::random(m, k, 1, k + 3);
          const auto b = transpose_b ? TestMatrix::random(n, k, 2, k + 5) : TestMatrix::random(k, n, 2, n + 5);
          auto c = TestMatrix::random(m, n, 3, n + 2);
          const auto expected = product(a, transpose_a, b, transpose_b, c, accumulate);
          kernels_.run(calls::Matmul{.a = a,
                                     .transpose_a = transpose_a,
                                     .b = b,
                                     .transpose_b = transpose_b,
                                     .c = c,
                                     .accumulate = accumulate});
          expect_close(c.values(), expected, 2e-6);
          EXPECT_TRUE(c.gaps_untouched());
        }
      }
    }
  }
}

TEST(Matmul, OfBFloat16SumsInF32) {
  if (!make_cpu_device()->has_bf16()) GTEST_SKIP() << "skipped: this processor has no products of bf16";
  CpuKernels kernels;
  for (const auto& [m, n, k] :
       {std::tuple{1, 1, 1}, {7, 33, 5}, {33, 7, 1}, {40, 400, 33}, {401, 30, 17}, {900, 37, 700}}) {
    for (const bool transpose_a : {false, true}) {
      for (const bool transpose_b : {false, true}) {
        RoundedMatrix a(transpose_a ? TestMatrix::random(k, m, 1) : TestMatrix::random(m, k, 1));
        RoundedMatrix b(transpose_b ? TestMatrix::random(n, k, 2) : TestMatrix::random(k, n, 2));
        for (const bool accumulate : {false, true}) {
          auto c = TestMatrix::random(m, n, 3, n + 2);
          auto expected = product(a.values(), transpose_a, b.values(), transpose_b, c, accumulate);
          kernels.run(calls::Matmul{.a = a.elements(),
                                    .transpose_a = transpose_a,
                                    .b = b.elements(),
                                    .transpose_b = transpose_b,
                                    .c = c,
                                    .accumulate = accumulate});
          expect_close(c.values(), expected, 2e-6);
          EXPECT_TRUE(c.gaps_untouched());
          if (accumulate) continue;
          RoundedMatrix rounded(TestMatrix(m, n));
          kernels.run(calls::Matmul{.a = a.elements(),
                                    .transpose_a = transpose_a,
                                    .b = b.elements(),
                                    .transpose_b = transpose_b,
                                    .c = rounded.elements()});
          const MatrixOf<BFloat16> result = rounded.elements();
          for (std::size_t i = 0; i < expected.size(); ++i) {
            const double value = to_float(result.data[i]);
            ASSERT_NEAR(value, expected[i], std::abs(expected[i]) / 256.0 + 1e-5) << "element " << i;
          }
        }
      }
    }
  }
}

TEST(Matmul, OfTwoTypesIsRefused) {
  CpuKernels kernels;
  const auto a = TestMatrix::random(4, 4, 1);
  RoundedMatrix b(TestMatrix::random(4, 4, 2));
  TestMatrix c(4, 4);
  // Weights alone may be narrower (widened_weights_test.cpp).
  EXPECT_THROW(kernels.run(calls::Matmul{.a = b.elements(), .b = a, .c = c}), Error);
  EXPECT_THROW(kernels.run(calls::Matmul{.a = a, .b = a, .c = b.elements()}), Error);
}

TEST_P(MatmulOfF32, OfMoreShapesThanAreKeptStaysRight) {
  const auto b = TestMatrix::random(3, 2, 2);
  for (int round = 0; round < 2; ++round) {
    for (int m = 1; m <= 255; ++m) {
      for (const bool accumulate : {false, true}) {
        const auto a = TestMatrix::random(m, 3, 1);
        auto c = TestMatrix::random(m, 2, 3);
        const auto expected = product(a, false, b, false, c, accumulate);
        kernels_.run(calls::Matmul{.a = a, .b = b, .c = c, .accumulate = accumulate});
        expect_close(c.values(), expected, 2e-6);
      }
    }
    // A third kind of product makes it more than the 512 that are kept.
    TestMatrix c(5, 5);
    for (int k = 1; k <= 20; ++k) {
      kernels_.run(calls::Matmul{.a = TestMatrix(k, 5), .transpose_a = true, .b = TestMatrix(k, 5), .c = c});
    }
  }
}

TEST(Matmul, OfEmptyMatricesIsZeroOrUnchanged) {
  CpuKernels kernels;
  const TestMatrix a(3, 0);
  const TestMatrix b(0, 4);
  auto c = TestMatrix::random(3, 4, 1, 6);
  const auto before = c.values();
  kernels.run(calls::Matmul{.a = a, .b = b, .c = c, .accumulate = true});
  EXPECT_EQ(c.values(), before);
  kernels.run(calls::Matmul{.a = a, .b = b, .c = c});
  EXPECT_EQ(c.values(), std::vector<double>(12, 0.0));
  EXPECT_TRUE(c.gaps_untouched());

  TestMatrix none(0, 4);
  kernels.run(calls::Matmul{.a = TestMatrix(0, 3), .b = TestMatrix(3, 4), .c = none});
}

TEST_P(MatmulOfF32, GivesTheSameBitsOnAnyNumberOfThreads) {
  const int before = omp_get_max_threads();
  for (const auto& [m, n, k] : {std::tuple{384, 1536, 176}, {850, 384, 384}, {611, 709, 871}}) {
    const auto a = TestMatrix::random(m, k, 1);
    const auto b = TestMatrix::random(n, k, 2);
    TestMatrix on_one(m, n);
    omp_set_num_threads(1);
    kernels_.run(calls::Matmul{.a = a, .b = b, .transpose_b = true, .c = on_one});
    for (const int threads : {2, 3}) {
      TestMatrix on_several(m, n);
      omp_set_num_threads(threads);
      kernels_.run(calls::Matmul{.a = a, .b = b, .transpose_b = true, .c = on_several});
      EXPECT_EQ(on_several.values(), on_one.values());
      EXPECT_EQ(omp_get_max_threads(), threads);
    }
  }
  omp_set_num_threads(before);
}

TEST(Linear, ForwardIsAProductABiasAndAnActivation) {
  CpuKernels kernels;
  const auto x = TestMatrix::random(9, 33, 1, 35);
  const auto weight = TestMatrix::random(17, 33, 2);
  const auto bias = TestMatrix::random(1, 17, 3);
  for (const bool with_bias : {false, true}) {
    TestMatrix z(9, 17, 20);
    TestMatrix y(9, 17, 19);
    kernels.run(calls::LinearForward{.x = x,
                                     .weight = weight,
                                     .bias = with_bias ? ConstRows(bias) : ConstRows(),
                                     .activation = Activation::relu,
                                     .z = z,
                                     .y = y});
    auto expected = product(x, false, weight, true, z, false);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      expected[i] += with_bias ? static_cast<double>(bias(0, static_cast<std::int64_t>(i) % 17)) : 0.0;
    }
    expect_close(z.values(), expected, 2e-6);
    for (double& value : expected) {
      value = std::max(value, 0.0);
    }
    expect_close(y.values(), expected, 2e-6);
    EXPECT_TRUE(z.gaps_untouched());
    EXPECT_TRUE(y.gaps_untouched());
  }
}

TEST(Linear, WeightGradientMatchesItsFormulaAndLeavesItsInputs) {
  CpuKernels kernels;
  const auto x = TestMatrix::random(50, 33, 1, 35);
  const auto dz = TestMatrix::random(50, 17, 2, 18);
  const auto dz_before = dz.values();
  for (const bool accumulate_weight : {false, true}) {
    for (const bool accumulate_bias : {false, true}) {
      auto d_weight = TestMatrix::random(17, 33, 3, 36);
      std::vector<float> d_bias(17, 0.5F);
      const auto expected = product(dz, true, x, false, d_weight, accumulate_weight);
      std::vector<double> expected_bias(17, accumulate_bias ? 0.5 : 0.0);
      for (std::int64_t i = 0; i < 50; ++i) {
        for (std::int64_t j = 0; j < 17; ++j) {
          expected_bias[static_cast<std::size_t>(j)] += static_cast<double>(dz(i, j));
        }
      }
      auto without_bias = d_weight;
      kernels.run(calls::LinearWeightGradient{.dz = dz,
                                              .x = x,
                                              .d_weight = d_weight,
                                              .accumulate_weight = accumulate_weight,
                                              .d_bias = d_bias.data(),
                                              .accumulate_bias = accumulate_bias});
      kernels.run(calls::LinearWeightGradient{
          .dz = dz, .x = x, .d_weight = without_bias, .accumulate_weight = accumulate_weight});
      expect_close(d_weight.values(), expected, 2e-6);
      expect_close(to_double(d_bias), expected_bias, 1e-6);
      EXPECT_EQ(without_bias.values(), d_weight.values());
      EXPECT_TRUE(d_weight.gaps_untouched());
      EXPECT_EQ(dz.values(), dz_before);
    }
  }
}

}  // namespace
}  // namespace temper
