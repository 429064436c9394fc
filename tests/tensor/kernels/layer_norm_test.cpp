#include <numeric>

#include "tests/tensor/kernels/kernel_testing.h"

namespace temper {
namespace {

constexpr double kEpsilon = 1e-5;

/// y [rows, columns] of the sums [rows, columns].
std::vector<double> layer_norm(const std::vector<double>& sum, const std::vector<double>& weight,
                               const std::vector<double>& bias) {
  const std::size_t columns = weight.size();
  std::vector<double> y(sum.size());
  for (std::size_t row = 0; row < sum.size(); row += columns) {
    double mean = 0.0;
    double variance = 0.0;
    for (std::size_t j = 0; j < columns; ++j) {
      mean += sum[row + j] / static_cast<double>(columns);
    }
    for (std::size_t j = 0; j < columns; ++j) {
      variance += (sum[row + j] - mean) * (sum[row + j] - mean) / static_cast<double>(columns);
    }
    for (std::size_t j = 0; j < columns; ++j) {
      y[row + j] = (sum[row + j] - mean) / std::sqrt(variance + kEpsilon) * weight[j] + bias[j];
    }
  }
  return y;
}

struct Names {
  std::vector<std::uint32_t> examples;
  std::vector<std::uint32_t> positions;

  explicit Names(std::int64_t rows) : examples(static_cast<std::size_t>(rows)), positions(examples.size()) {
    std::iota(examples.begin(), examples.end(), 100U);
    std::iota(positions.begin(), positions.end(), 3U);
  }
  [[nodiscard]] TokenKeys names() const { return {examples.data(), positions.data()}; }
  [[nodiscard]] double factor(const Dropout& dropout, std::int64_t row, std::int64_t column) const {
    const auto i = static_cast<std::size_t>(row);
    return dropout.active() ? dropout_factor(dropout, static_cast<std::uint32_t>(column), positions[i], examples[i])
                            : 1.0;
  }
};

const Dropout kNormDropout{.rate = 0.25F, .place = 9, .key = random_key(3, 4)};

class LayerNormTest : public KernelTest {};
TEMPER_ON_EACH_INSTRUCTION_SET(LayerNormTest);

TEST_P(LayerNormTest, ForwardMatchesReference) {
  for (const std::int64_t width : {1, 7, 33, 384}) {
    for (const Dropout& dropout : {Dropout{}, kNormDropout}) {
      for (const bool with_residual : {false, true}) {
        const std::int64_t rows = 4;
        const Names names(rows);
        const auto x = TestMatrix::random(rows, width, 1, width + 3);
        const auto residual = TestMatrix::random(rows, width, 2, width + 1);
        const auto weight = TestMatrix::random(1, width, 3);
        const auto bias = TestMatrix::random(1, width, 4);
        std::vector<double> expected_sum;
        for (std::int64_t i = 0; i < rows; ++i) {
          for (std::int64_t j = 0; j < width; ++j) {
            expected_sum.push_back(static_cast<double>(x(i, j)) * names.factor(dropout, i, j) +
                                   (with_residual ? static_cast<double>(residual(i, j)) : 0.0));
          }
        }
        const auto expected = layer_norm(expected_sum, weight.values(), bias.values());
        const ConstMatrix residual_matrix = with_residual ? ConstMatrix(residual) : ConstMatrix{};
        TestMatrix y(rows, width, width + 2);
        TestMatrix sum(rows, width);
        std::vector<float> mean(4);
        std::vector<float> rstd(4);
        kernels_.run(calls::LayerNormForward{.x = x,
                                             .residual = residual_matrix,
                                             .names = names.names(),
                                             .dropout = dropout,
                                             .weight = weight.data(),
                                             .bias = bias.data(),
                                             .epsilon = static_cast<float>(kEpsilon),
                                             .y = y,
                                             .sum = sum,
                                             .mean = mean.data(),
                                             .rstd = rstd.data()});
        expect_close(sum.values(), expected_sum, 2e-7);
        expect_close(y.values(), expected, 1e-6);
        EXPECT_TRUE(y.gaps_untouched());

        TestMatrix y_alone(rows, width);
        kernels_.run(calls::LayerNormForward{.x = x,
                                             .residual = residual_matrix,
                                             .names = names.names(),
                                             .dropout = dropout,
                                             .weight = weight.data(),
                                             .bias = bias.data(),
                                             .epsilon = static_cast<float>(kEpsilon),
                                             .y = y_alone});
        EXPECT_EQ(y_alone.values(), y.values());
      }
    }
  }
}

TEST_P(LayerNormTest, SumMayBeTheInput) {
  auto x = TestMatrix::random(3, 33, 1);
  const auto before = x.values();
  const std::vector<float> weight(33, 1.0F);
  const std::vector<float> bias(33, 0.0F);
  std::vector<float> mean(3);
  std::vector<float> rstd(3);
  TestMatrix y(3, 33);
  kernels_.run(calls::LayerNormForward{.x = x,
                                       .weight = weight.data(),
                                       .bias = bias.data(),
                                       .epsilon = static_cast<float>(kEpsilon),
                                       .y = y,
                                       .sum = x,
                                       .mean = mean.data(),
                                       .rstd = rstd.data()});
  EXPECT_EQ(x.values(), before);
  expect_close(y.values(), layer_norm(before, to_double(weight), to_double(bias)), 1e-6);
}

TEST_P(LayerNormTest, BackwardMatchesCentralDifferences) {
  for (const std::int64_t width : {7, 33, 384}) {
    for (const Dropout& dropout : {Dropout{}, kNormDropout}) {
      for (const bool accumulate : {false, true}) {
        const std::int64_t rows = 3;
        const Names names(rows);
        auto sum = TestMatrix::random(rows, width, 1);
        const auto weight = TestMatrix::random(1, width, 3);
        const auto bias = TestMatrix::random(1, width, 4);
        const auto dy = TestMatrix::random(rows, width, 5, width + 1);
        TestMatrix y(rows, width);
        std::vector<float> mean(3);
        std::vector<float> rstd(3);
        kernels_.run(calls::LayerNormForward{.x = sum,
                                             .weight = weight.data(),
                                             .bias = bias.data(),
                                             .epsilon = static_cast<float>(kEpsilon),
                                             .y = y,
                                             .sum = sum,
                                             .mean = mean.data(),
                                             .rstd = rstd.data()});

        const auto in_sum = [&](const std::vector<double>& at) {
          return dot(layer_norm(at, weight.values(), bias.values()), dy.values());
        };
        const auto in_weight = [&](const std::vector<double>& at) {
          return dot(layer_norm(sum.values(), at, bias.values()), dy.values());
        };
        const auto in_bias = [&](const std::vector<double>& at) {
          return dot(layer_norm(sum.values(), weight.values(), at), dy.values());
        };
        const double before = accumulate ? 0.5 : 0.0;
        const auto expected_sum = numeric_gradient(sum.values(), in_sum);
        std::vector<double> expected_dx;
        std::vector<double> expected_residual;
        for (std::int64_t i = 0; i < rows; ++i) {
          for (std::int64_t j = 0; j < width; ++j) {
            const double d_sum = expected_sum[static_cast<std::size_t>(i * width + j)];
            expected_dx.push_back(d_sum * names.factor(dropout, i, j));
            expected_residual.push_back(d_sum + before);
          }
        }
        auto expected_weight = numeric_gradient(weight.values(), in_weight);
        auto expected_bias = numeric_gradient(bias.values(), in_bias);
        for (std::size_t j = 0; j < expected_weight.size(); ++j) {
          expected_weight[j] += before;
          expected_bias[j] += before;
        }

        TestMatrix dx(rows, width, width + 2);
        TestMatrix d_residual(rows, width, width + 3);
        for (std::int64_t i = 0; i < rows; ++i) {
          for (std::int64_t j = 0; j < width; ++j) {
            d_residual(i, j) = 0.5F;
          }
        }
        std::vector<float> d_weight(static_cast<std::size_t>(width), 0.5F);
        std::vector<float> d_bias(static_cast<std::size_t>(width), 0.5F);
        kernels_.run(calls::LayerNormBackward{.dy = dy,
                                              .sum = sum,
                                              .mean = mean.data(),
                                              .rstd = rstd.data(),
                                              .weight = weight.data(),
                                              .names = names.names(),
                                              .dropout = dropout,
                                              .dx = dx,
                                              .d_residual = d_residual,
                                              .accumulate_residual = accumulate,
                                              .d_weight = d_weight.data(),
                                              .accumulate_weight = accumulate,
                                              .d_bias = d_bias.data(),
                                              .accumulate_bias = accumulate});
        expect_close(dx.values(), expected_dx, 2e-6);
        expect_close(d_residual.values(), expected_residual, 2e-6);
        expect_close(to_double(d_weight), expected_weight, 2e-6);
        expect_close(to_double(d_bias), expected_bias, 2e-6);
        EXPECT_TRUE(dx.gaps_untouched());
        EXPECT_TRUE(d_residual.gaps_untouched());

        TestMatrix dx_alone(rows, width);
        kernels_.run(calls::LayerNormBackward{.dy = dy,
                                              .sum = sum,
                                              .mean = mean.data(),
                                              .rstd = rstd.data(),
                                              .weight = weight.data(),
                                              .names = names.names(),
                                              .dropout = dropout,
                                              .dx = dx_alone});
        EXPECT_EQ(dx_alone.values(), dx.values());
      }
    }
  }
}

TEST_P(LayerNormTest, NoBiasIsABiasOfZeros) {
  for (const std::int64_t width : {1, 7, 33, 384}) {
    const auto x = TestMatrix::random(4, width, 1);
    const auto weight = TestMatrix::random(1, width, 2);
    const std::vector<float> zeros(static_cast<std::size_t>(width), 0.0F);
    TestMatrix with(4, width);
    TestMatrix without(4, width);
    kernels_.run(calls::LayerNormForward{
        .x = x, .weight = TestMatrix(weight).data(), .bias = zeros.data(), .epsilon = 1e-5F, .y = with});
    kernels_.run(calls::LayerNormForward{.x = x, .weight = TestMatrix(weight).data(), .epsilon = 1e-5F, .y = without});
    EXPECT_EQ(without.values(), with.values());
  }
}

TEST_P(LayerNormTest, WhatTheSumHasFromElsewhereIsAddedToItsGradient) {
  const Names names(4);
  for (const std::int64_t width : {1, 7, 33, 384}) {
    for (const bool accumulate : {false, true}) {
      const auto dy = TestMatrix::random(4, width, 1);
      const auto sum = TestMatrix::random(4, width, 2);
      auto weight = TestMatrix::random(1, width, 3);
      const auto d_sum = TestMatrix::random(4, width, 4, width + 3);
      const std::vector<float> mean(4, 0.1F);
      const std::vector<float> rstd(4, 1.2F);
      // The norm's own part, without dropout.
      TestMatrix own(4, width);
      calls::LayerNormBackward call{
          .dy = dy, .sum = sum, .mean = mean.data(), .rstd = rstd.data(), .weight = weight.data(), .dx = own};
      kernels_.run(call);
      TestMatrix dx(4, width);
      const auto before = TestMatrix::random(4, width, 5);
      TestMatrix d_residual = before;
      call.d_sum = d_sum;
      call.names = names.names();
      call.dropout = kNormDropout;
      call.dx = dx;
      call.d_residual = d_residual;
      call.accumulate_residual = accumulate;
      kernels_.run(call);
      for (std::int64_t i = 0; i < 4; ++i) {
        for (std::int64_t j = 0; j < width; ++j) {
          const float change = own(i, j) + d_sum(i, j);
          ASSERT_EQ(d_residual(i, j), accumulate ? before(i, j) + change : change);
          ASSERT_EQ(dx(i, j), change * static_cast<float>(names.factor(kNormDropout, i, j)));
        }
      }
    }
  }
}

TEST_P(LayerNormTest, NoRowsGiveNoGradient) {
  const std::vector<float> weight(5, 1.0F);
  std::vector<float> d_weight(5, 3.0F);
  TestMatrix none(0, 5);
  kernels_.run(
      calls::LayerNormForward{.x = none, .weight = weight.data(), .bias = weight.data(), .epsilon = 1e-5F, .y = none});
  kernels_.run(calls::LayerNormBackward{.dy = none,
                                        .sum = {},
                                        .mean = nullptr,
                                        .rstd = nullptr,
                                        .weight = weight.data(),
                                        .dx = none,
                                        .d_weight = d_weight.data()});
  EXPECT_EQ(d_weight, std::vector<float>(5, 0.0F));
}

}  // namespace
}  // namespace temper
