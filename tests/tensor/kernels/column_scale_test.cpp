#include "tensor/calls/column_scale.h"

#include "tests/tensor/kernels/kernel_testing.h"

namespace temper {
namespace {

class ColumnScaleTest : public KernelTest {};
TEMPER_ON_EACH_INSTRUCTION_SET(ColumnScaleTest);

TEST_P(ColumnScaleTest, EachColumnHasItsFactor) {
  const auto x = TestMatrix::random(5, 37, 1, 40);
  const auto factors = TestMatrix::random(1, 37, 2);
  const auto before = TestMatrix::random(5, 37, 3, 39);
  for (const bool accumulates : {false, true}) {
    TestMatrix y = before;
    kernels_.run(calls::ScaleColumns{.x = x, .factors = factors.data(), .y = y, .accumulate = accumulates});
    for (std::int64_t i = 0; i < 5 * 37; ++i) {
      const std::int64_t row = i / 37;
      const std::int64_t column = i % 37;
      const float product = x(row, column) * factors(0, column);
      ASSERT_EQ(y(row, column), accumulates ? before(row, column) + product : product);
    }
    EXPECT_TRUE(y.gaps_untouched());
  }
}

TEST_P(ColumnScaleTest, TheFactorsGradientIsTheSumOfProducts) {
  for (const std::int64_t rows : {1, 63, 64, 300}) {
    const auto a = TestMatrix::random(rows, 21, 1, 24);
    const auto b = TestMatrix::random(rows, 21, 2);
    std::vector<float> sums(21, 2.0F);
    std::vector<double> expected(21);
    for (std::int64_t row = 0; row < rows; ++row)
      for (std::int64_t column = 0; column < 21; ++column)
        expected[static_cast<std::size_t>(column)] += static_cast<double>(a(row, column)) * b(row, column);
    kernels_.run(calls::SumColumnProducts{.a = a, .b = b, .sums = sums.data()});
    expect_close(to_double(sums), expected, 1e-5);
    kernels_.run(calls::SumColumnProducts{.a = a, .b = b, .sums = sums.data(), .accumulate = true});
    for (double& sum : expected) sum *= 2.0;
    expect_close(to_double(sums), expected, 1e-5);
  }
}

TEST_P(ColumnScaleTest, OfBf16AreThoseOfF32Rounded) {
  RoundedMatrix x(TestMatrix::random(70, 21, 1));
  const auto factors = TestMatrix::random(1, 21, 2);
  TestMatrix y(70, 21);
  kernels_.run(calls::ScaleColumns{.x = x.values(), .factors = factors.data(), .y = y});
  std::vector<BFloat16> rounded(70 * 21);
  kernels_.run(calls::ScaleColumns{
      .x = x.elements(), .factors = factors.data(), .y = MatrixOf<BFloat16>{rounded.data(), 70, 21, 21}});
  for (std::int64_t i = 0; i < 70 * 21; ++i)
    ASSERT_EQ(to_float(rounded[static_cast<std::size_t>(i)]), to_float(to_bfloat16(y(i / 21, i % 21))));
  std::vector<float> of_f32(21);
  std::vector<float> of_bf16(21);
  kernels_.run(calls::SumColumnProducts{.a = x.values(), .b = x.values(), .sums = of_f32.data()});
  kernels_.run(calls::SumColumnProducts{.a = x.elements(), .b = x.elements(), .sums = of_bf16.data()});
  EXPECT_EQ(of_f32, of_bf16);
}

}  // namespace
}  // namespace temper
