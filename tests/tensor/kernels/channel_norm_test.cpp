#include "tests/tensor/kernels/kernel_testing.h"

namespace temper {
namespace {

class ChannelNormTest : public KernelTest {};
TEMPER_ON_EACH_INSTRUCTION_SET(ChannelNormTest);

/// Statistics, weight and bias of columns.
struct Columns {
  std::vector<float> mean;
  std::vector<float> variance;
  std::vector<float> weight;
  std::vector<float> bias;

  explicit Columns(std::int64_t columns) {
    for (std::int64_t i = 0; i < columns; ++i) {
      const auto at = static_cast<float>(i);
      mean.push_back(0.1F * at - 0.5F);
      variance.push_back(0.3F + 0.2F * at);
      weight.push_back(1.0F - 0.07F * at);
      bias.push_back(0.2F - 0.03F * at);
    }
  }
  [[nodiscard]] ChannelStatisticsOf statistics() const { return {mean.data(), variance.data(), 1e-5F}; }
  [[nodiscard]] double scale(std::int64_t c) const {
    return 1.0 / std::sqrt(static_cast<double>(variance[static_cast<std::size_t>(c)]) + 1e-5);
  }
  [[nodiscard]] double normal(float x, std::int64_t c) const {
    return (static_cast<double>(x) - static_cast<double>(mean[static_cast<std::size_t>(c)])) * scale(c);
  }
};

TEST_P(ChannelNormTest, ForwardMatchesALoop) {
  for (const std::int64_t columns : {1, 19, 32})
    for (const bool clips : {false, true})
      for (const bool adds : {false, true}) {
        const Columns of(columns);
        const auto x = TestMatrix::random(40, columns, 1, columns + 2);
        const auto residual = TestMatrix::random(40, columns, 2);
        TestMatrix y(40, columns, columns + 1);
        kernels_.run(calls::ChannelNormForward{.x = x,
                                               .statistics = of.statistics(),
                                               .weight = of.weight.data(),
                                               .bias = of.bias.data(),
                                               .residual = adds ? ConstRows(residual) : ConstRows(),
                                               .activation = clips ? Activation::relu : Activation::none,
                                               .y = y});
        std::vector<double> expected;
        for (std::int64_t i = 0; i < 40; ++i)
          for (std::int64_t c = 0; c < columns; ++c) {
            const auto at = static_cast<std::size_t>(c);
            double v = of.normal(x(i, c), c) * static_cast<double>(of.weight[at]) + static_cast<double>(of.bias[at]);
            if (adds) v += static_cast<double>(residual(i, c));
            expected.push_back(clips ? std::max(v, 0.0) : v);
          }
        expect_close(y.values(), expected, 1e-6);
        EXPECT_TRUE(y.gaps_untouched());
      }
}

TEST_P(ChannelNormTest, StatisticsAreThoseOfTheRows) {
  for (const std::int64_t rows : {1, 63, 200, 9001})
    for (const std::int64_t columns : {1, 19}) {
      auto x = TestMatrix::random(rows, columns, 1, columns + 1);
      for (std::int64_t i = 0; i < rows; ++i)
        for (std::int64_t c = 0; c < columns; ++c) x(i, c) += 30.0F;  // far from nothing
      std::vector<float> mean(static_cast<std::size_t>(columns));
      std::vector<float> variance(mean.size());
      kernels_.run(calls::ChannelStatistics{.x = x, .mean = mean.data(), .variance = variance.data()});
      for (std::int64_t c = 0; c < columns; ++c) {
        double sum = 0.0;
        for (std::int64_t i = 0; i < rows; ++i) sum += static_cast<double>(x(i, c));
        const double centre = sum / static_cast<double>(rows);
        double square = 0.0;
        for (std::int64_t i = 0; i < rows; ++i) square += std::pow(static_cast<double>(x(i, c)) - centre, 2);
        EXPECT_NEAR(static_cast<double>(mean[static_cast<std::size_t>(c)]), centre, 1e-6 * 30.0);
        EXPECT_NEAR(static_cast<double>(variance[static_cast<std::size_t>(c)]), square / static_cast<double>(rows),
                    2e-6);
      }
    }
}

TEST_P(ChannelNormTest, BackwardMatchesALoop) {
  const std::int64_t rows = 150;
  for (const std::int64_t columns : {1, 19})
    for (const bool clips : {false, true})
      for (const bool of_rows : {false, true})
        for (const bool accumulate : {false, true}) {
          const auto x = TestMatrix::random(rows, columns, 1, columns + 2);
          const auto y = TestMatrix::random(rows, columns, 2);
          auto dy = TestMatrix::random(rows, columns, 3);
          Columns of(columns);
          if (of_rows)
            kernels_.run(calls::ChannelStatistics{.x = x, .mean = of.mean.data(), .variance = of.variance.data()});
          std::vector<double> g = dy.values();
          std::vector<double> weight_sum(static_cast<std::size_t>(columns));
          std::vector<double> sum(weight_sum.size());
          for (std::int64_t i = 0; i < rows; ++i)
            for (std::int64_t c = 0; c < columns; ++c) {
              double& value = g[static_cast<std::size_t>(i * columns + c)];
              if (clips && y(i, c) <= 0.0F) value = 0.0;
              weight_sum[static_cast<std::size_t>(c)] += value * of.normal(x(i, c), c);
              sum[static_cast<std::size_t>(c)] += value;
            }
          auto dx = TestMatrix::random(rows, columns, 4, columns + 1);
          std::vector<double> expected;
          for (std::int64_t i = 0; i < rows; ++i)
            for (std::int64_t c = 0; c < columns; ++c) {
              const auto at = static_cast<std::size_t>(c);
              double freed = g[static_cast<std::size_t>(i * columns + c)];
              if (of_rows) freed -= (sum[at] + of.normal(x(i, c), c) * weight_sum[at]) / static_cast<double>(rows);
              expected.push_back((accumulate ? static_cast<double>(dx(i, c)) : 0.0) +
                                 freed * of.scale(c) * static_cast<double>(of.weight[at]));
            }
          std::vector<float> d_weight(weight_sum.size(), 1.0F);
          std::vector<float> d_bias(weight_sum.size(), 2.0F);
          kernels_.run(calls::ChannelNormBackward{.dy = dy,
                                                  .x = x,
                                                  .y = y,
                                                  .statistics = of.statistics(),
                                                  .statistics_of_rows = of_rows,
                                                  .weight = of.weight.data(),
                                                  .activation = clips ? Activation::relu : Activation::none,
                                                  .g = dy,
                                                  .dx = dx,
                                                  .accumulate = accumulate,
                                                  .d_weight = d_weight.data(),
                                                  .accumulate_weight = accumulate,
                                                  .d_bias = d_bias.data(),
                                                  .accumulate_bias = accumulate});
          expect_close(dy.values(), g, 1e-7);
          expect_close(dx.values(), expected, 3e-6);
          EXPECT_TRUE(dx.gaps_untouched());
          for (std::size_t i = 0; i < sum.size(); ++i) {
            EXPECT_NEAR(static_cast<double>(d_weight[i]), weight_sum[i] + (accumulate ? 1.0 : 0.0), 2e-5 * rows / 10.0);
            EXPECT_NEAR(static_cast<double>(d_bias[i]), sum[i] + (accumulate ? 2.0 : 0.0), 2e-5 * rows / 10.0);
          }
        }
}

TEST_P(ChannelNormTest, OfBf16IsThatOfF32Rounded) {
  const Columns of(21);
  RoundedMatrix x(TestMatrix::random(30, 21, 1));
  TestMatrix y(30, 21);
  kernels_.run(calls::ChannelNormForward{.x = x.values(),
                                         .statistics = of.statistics(),
                                         .weight = of.weight.data(),
                                         .activation = Activation::relu,
                                         .y = y});
  std::vector<BFloat16> rounded(30 * 21);
  kernels_.run(calls::ChannelNormForward{.x = x.elements(),
                                         .statistics = of.statistics(),
                                         .weight = of.weight.data(),
                                         .activation = Activation::relu,
                                         .y = MatrixOf<BFloat16>{rounded.data(), 30, 21, 21}});
  for (std::int64_t i = 0; i < 30 * 21; ++i)
    EXPECT_EQ(to_float(rounded[static_cast<std::size_t>(i)]), to_float(to_bfloat16(y(i / 21, i % 21))));
}

TEST_P(ChannelNormTest, OtherActivationsAreRefused) {
  const TestMatrix x(2, 3);
  TestMatrix y(2, 3);
  EXPECT_THROW(kernels_.run(calls::ChannelNormForward{
                   .x = x, .statistics = Columns(3).statistics(), .activation = Activation::gelu, .y = y}),
               Error);
}

}  // namespace
}  // namespace temper
