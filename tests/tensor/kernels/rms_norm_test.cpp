#include "tests/tensor/kernels/kernel_testing.h"

namespace temper {
namespace {

constexpr double kRmsEpsilon = 1e-4;

/// y [rows, columns] of the sums [rows, columns].
std::vector<double> rms_norm(const std::vector<double>& sum, const std::vector<double>& weight, double offset) {
  const std::size_t columns = weight.size();
  std::vector<double> y(sum.size());
  for (std::size_t row = 0; row < sum.size(); row += columns) {
    double squares = 0.0;
    for (std::size_t j = 0; j < columns; ++j) squares += sum[row + j] * sum[row + j] / static_cast<double>(columns);
    for (std::size_t j = 0; j < columns; ++j)
      y[row + j] = sum[row + j] / std::sqrt(squares + kRmsEpsilon) * (weight[j] + offset);
  }
  return y;
}

class RmsNormTest : public KernelTest {};
TEMPER_ON_EACH_INSTRUCTION_SET(RmsNormTest);

TEST_P(RmsNormTest, ForwardMatchesReference) {
  for (const std::int64_t width : {1, 7, 33, 384}) {
    for (const float offset : {0.0F, 1.0F}) {
      for (const bool with_residual : {false, true}) {
        const auto x = TestMatrix::random(4, width, 1, width + 3);
        const auto residual = TestMatrix::random(4, width, 2, width + 1);
        auto weight = TestMatrix::random(1, width, 3);
        std::vector<double> expected_sum = x.values();
        if (with_residual) {
          for (std::size_t i = 0; i < expected_sum.size(); ++i) expected_sum[i] += residual.values()[i];
        }
        TestMatrix y(4, width, width + 2);
        TestMatrix sum(4, width);
        std::vector<float> mean(4, 77.0F);
        std::vector<float> rstd(4);
        calls::LayerNormForward call{.x = x,
                                     .residual = with_residual ? ConstMatrix(residual) : ConstMatrix{},
                                     .weight = weight.data(),
                                     .epsilon = static_cast<float>(kRmsEpsilon),
                                     .kind = NormKind::root_mean_square,
                                     .weight_offset = offset,
                                     .y = y,
                                     .sum = sum,
                                     .mean = mean.data(),
                                     .rstd = rstd.data()};
        kernels_.run(call);
        expect_close(sum.values(), expected_sum, 2e-7);
        expect_close(y.values(), rms_norm(expected_sum, weight.values(), static_cast<double>(offset)), 1e-6);
        EXPECT_TRUE(y.gaps_untouched());
        EXPECT_EQ(mean, std::vector<float>(4, 77.0F)) << "it has none";

        TestMatrix alone(4, width);
        call.y = alone;
        call.sum = {};
        call.mean = nullptr;
        call.rstd = nullptr;
        kernels_.run(call);
        EXPECT_EQ(alone.values(), y.values());
      }
    }
  }
}

TEST_P(RmsNormTest, BackwardMatchesCentralDifferences) {
  for (const std::int64_t width : {1, 7, 33, 384}) {
    for (const float offset : {0.0F, 1.0F}) {
      for (const bool accumulate : {false, true}) {
        auto sum = TestMatrix::random(3, width, 1);
        auto weight = TestMatrix::random(1, width, 3);
        const auto dy = TestMatrix::random(3, width, 5, width + 1);
        const auto d_sum = TestMatrix::random(3, width, 6, width + 4);
        TestMatrix y(3, width);
        std::vector<float> rstd(3);
        kernels_.run(calls::LayerNormForward{.x = sum,
                                             .weight = weight.data(),
                                             .epsilon = static_cast<float>(kRmsEpsilon),
                                             .kind = NormKind::root_mean_square,
                                             .weight_offset = offset,
                                             .y = y,
                                             .rstd = rstd.data()});
        const auto wide = static_cast<double>(offset);
        auto expected_sum = numeric_gradient(sum.values(), [&](const std::vector<double>& at) {
          return dot(rms_norm(at, weight.values(), wide), dy.values());
        });
        auto expected_weight = numeric_gradient(weight.values(), [&](const std::vector<double>& at) {
          return dot(rms_norm(sum.values(), at, wide), dy.values());
        });
        std::vector<double> expected_residual;
        for (std::size_t i = 0; i < expected_sum.size(); ++i) {
          expected_sum[i] += d_sum.values()[i];
          expected_residual.push_back(expected_sum[i] + (accumulate ? 0.5 : 0.0));
        }
        for (double& value : expected_weight) value += accumulate ? 0.5 : 0.0;
        TestMatrix dx(3, width, width + 2);
        TestMatrix d_residual(3, width, width + 3);
        for (std::int64_t i = 0; i < 3; ++i) {
          for (std::int64_t j = 0; j < width; ++j) d_residual(i, j) = 0.5F;
        }
        std::vector<float> d_weight(static_cast<std::size_t>(width), 0.5F);
        kernels_.run(calls::LayerNormBackward{.dy = dy,
                                              .sum = sum,
                                              .mean = nullptr,
                                              .rstd = rstd.data(),
                                              .weight = weight.data(),
                                              .kind = NormKind::root_mean_square,
                                              .weight_offset = offset,
                                              .d_sum = d_sum,
                                              .dx = dx,
                                              .d_residual = d_residual,
                                              .accumulate_residual = accumulate,
                                              .d_weight = d_weight.data(),
                                              .accumulate_weight = accumulate});
        expect_close(dx.values(), expected_sum, 3e-6);
        expect_close(d_residual.values(), expected_residual, 3e-6);
        expect_close(to_double(d_weight), expected_weight, 3e-6);
        EXPECT_TRUE(dx.gaps_untouched());
      }
    }
  }
}

TEST_P(RmsNormTest, ALayerNormOfRowsWithoutAMeanIsTheSame) {
  // Each row has every number and its negative.
  auto x = TestMatrix::random(3, 34, 1);
  for (std::int64_t i = 0; i < 3; ++i) {
    for (std::int64_t j = 0; j < 17; ++j) x(i, 17 + j) = -x(i, j);
  }
  auto weight = TestMatrix::random(1, 34, 2);
  TestMatrix centered(3, 34);
  TestMatrix rms(3, 34);
  calls::LayerNormForward call{.x = x, .weight = weight.data(), .epsilon = 1e-5F, .y = centered};
  kernels_.run(call);
  call.kind = NormKind::root_mean_square;
  call.y = rms;
  kernels_.run(call);
  expect_close(rms.values(), centered.values(), 1e-6);
}

}  // namespace
}  // namespace temper
