#include <omp.h>

#include <algorithm>
#include <array>
#include <limits>
#include <numbers>
#include <utility>

#include "tests/activations.h"
#include "tests/tensor/kernels/kernel_testing.h"

namespace temper {
namespace {

double normal_cumulative(double z) { return 0.5 * std::erfc(-z / std::numbers::sqrt2); }
double logistic(double z) { return 1.0 / (1.0 + std::exp(-z)); }

double value_of(Activation activation, double z) {
  switch (activation) {
    case Activation::none:
      return z;
    case Activation::gelu:
      return z * normal_cumulative(z);
    case Activation::gelu_tanh:
      return 0.5 * z * (1.0 + std::tanh(std::sqrt(2.0 / std::numbers::pi) * (z + 0.044715 * z * z * z)));
    case Activation::gelu_clipped:
      return std::min(z * normal_cumulative(z), 10.0);
    case Activation::quick_gelu:
      return z * logistic(1.702 * z);
    case Activation::silu:
      return z * logistic(z);
    case Activation::mish:
      return z * std::tanh(std::log1p(std::exp(z)));
    case Activation::relu:
      return std::max(z, 0.0);
    case Activation::relu_squared:
      return std::pow(std::max(z, 0.0), 2);
    case Activation::relu6:
      return std::clamp(z, 0.0, 6.0);
    case Activation::leaky_relu:
      return z > 0.0 ? z : 0.01 * z;
    case Activation::hardswish:
      return z * std::clamp(z + 3.0, 0.0, 6.0) / 6.0;
    case Activation::laplace:
      return normal_cumulative((z - 0.707107) / 0.282095);
    case Activation::sigmoid:
      return logistic(z);
    case Activation::tanh:
      return std::tanh(z);
  }
  return std::nan("");
}

constexpr std::array<std::int64_t, 4> kWidths = {1, 7, 33, 384};

class ActivationTest : public KernelTest {};
TEMPER_ON_EACH_INSTRUCTION_SET(ActivationTest);

TEST_P(ActivationTest, ForwardAddsBiasAndMatchesReference) {
  for (const Activation activation : kEveryActivation) {
    for (const std::int64_t width : kWidths) {
      auto z = TestMatrix::random(5, width, 1, width + 3);
      const auto bias = TestMatrix::random(1, width, 2);
      std::vector<double> expected_z;
      std::vector<double> expected_y;
      for (std::int64_t i = 0; i < 5; ++i) {
        for (std::int64_t j = 0; j < width; ++j) {
          expected_z.push_back(static_cast<double>(z(i, j)) + static_cast<double>(bias(0, j)));
          expected_y.push_back(value_of(activation, expected_z.back()));
        }
      }
      TestMatrix y(5, width, width + 1);
      kernels_.run(calls::BiasActivationForward{.z = z, .bias = bias, .activation = activation, .y = y});
      expect_close(z.values(), expected_z, 1e-7);
      // In the tail of a narrow bell, rounding of the input counts many times.
      expect_close(y.values(), expected_y, activation == Activation::laplace ? 1e-5 : 5e-7);
      EXPECT_TRUE(z.gaps_untouched());
      EXPECT_TRUE(y.gaps_untouched());
    }
  }
}

TEST_P(ActivationTest, ForwardWithoutBiasLeavesTheInput) {
  auto z = TestMatrix::random(2, 9, 1);
  const auto before = z.values();
  TestMatrix y(2, 9);
  kernels_.run(calls::BiasActivationForward{.z = z, .y = y});
  EXPECT_EQ(z.values(), before);
  EXPECT_EQ(y.values(), before);
}

TEST_P(ActivationTest, NoActivationMayWriteOverItsInput) {
  auto z = TestMatrix::random(2, 9, 1);
  const std::vector<float> bias(9, 1.0F);
  const float before = z(1, 8);
  kernels_.run(calls::BiasActivationForward{.z = z, .bias = row_of(bias), .y = z});
  EXPECT_EQ(z(1, 8), before + 1.0F);
}

TEST_P(ActivationTest, AnActivationMayWriteOverItsInput) {
  for (const Activation activation : kEveryActivation) {
    auto z = TestMatrix::random(3, 33, 1, 35);
    auto in_place = z;
    const std::vector<float> bias(33, 0.5F);
    TestMatrix y(3, 33);
    kernels_.run(calls::BiasActivationForward{.z = z, .bias = row_of(bias), .activation = activation, .y = y});
    kernels_.run(
        calls::BiasActivationForward{.z = in_place, .bias = row_of(bias), .activation = activation, .y = in_place});
    EXPECT_EQ(in_place.values(), y.values());
    EXPECT_TRUE(in_place.gaps_untouched());
  }
}

TEST_P(ActivationTest, GeluIsRelativelyExactFarFromZero) {
  TestMatrix z(1, 4001);
  for (std::int64_t j = 0; j < z.columns(); ++j) {
    z(0, j) = static_cast<float>(j - 2000) * 0.004F;
  }
  TestMatrix y(1, z.columns());
  kernels_.run(calls::BiasActivationForward{.z = z, .activation = Activation::gelu, .y = y});
  for (std::int64_t j = 0; j < z.columns(); ++j) {
    const double expected = value_of(Activation::gelu, static_cast<double>(z(0, j)));
    ASSERT_NEAR(static_cast<double>(y(0, j)), expected, 3e-6 * std::abs(expected)) << z(0, j);
  }
}

TEST_P(ActivationTest, GeluHasItsLimits) {
  TestMatrix z(1, 3);
  z(0, 0) = -100.0F;
  z(0, 1) = 100.0F;
  z(0, 2) = std::nanf("");
  TestMatrix y(1, 3);
  kernels_.run(calls::BiasActivationForward{.z = z, .activation = Activation::gelu, .y = y});
  EXPECT_EQ(y(0, 0), 0.0F);
  EXPECT_EQ(y(0, 1), 100.0F);
  EXPECT_TRUE(std::isnan(y(0, 2)));
}

TEST_P(ActivationTest, SelfGatedOnesAreRelativelyExactFarFromZero) {
  for (const Activation activation : {Activation::silu, Activation::quick_gelu, Activation::mish}) {
    TestMatrix z(1, 4001);
    for (std::int64_t j = 0; j < z.columns(); ++j) z(0, j) = static_cast<float>(j - 2000) * 0.02F;
    TestMatrix y(1, z.columns());
    kernels_.run(calls::BiasActivationForward{.z = z, .activation = activation, .y = y});
    for (std::int64_t j = 0; j < z.columns(); ++j) {
      const double expected = value_of(activation, static_cast<double>(z(0, j)));
      // 1.702 z is rounded before e is raised to it: near 68, by up to 4e-6, and 1.702 itself is rounded, too.
      ASSERT_NEAR(static_cast<double>(y(0, j)), expected, 8e-6 * std::abs(expected)) << z(0, j);
    }
  }
}

TEST_P(ActivationTest, EachHasItsLimits) {
  for (const Activation activation : kEveryActivation) {
    TestMatrix z(1, 5);
    z(0, 0) = -1e4F;
    z(0, 1) = -100.0F;
    z(0, 2) = 100.0F;
    z(0, 3) = 1e4F;
    z(0, 4) = std::nanf("");
    TestMatrix y(1, 5);
    TestMatrix dy(1, 5);
    TestMatrix dz(1, 5);
    for (std::int64_t j = 0; j < 5; ++j) dy(0, j) = 1.0F;
    kernels_.run(calls::BiasActivationForward{.z = z, .activation = activation, .y = y});
    kernels_.run(calls::BiasActivationBackward{.dy = dy, .z = z, .y = y, .activation = activation, .dz = dz});
    for (std::int64_t j = 0; j < 4; ++j) {
      const auto at = static_cast<double>(z(0, j));
      const double expected = value_of(activation, at);
      EXPECT_NEAR(static_cast<double>(y(0, j)), expected, 1e-6 * std::abs(expected) + 1e-30) << at;
      EXPECT_TRUE(std::isfinite(dz(0, j))) << at;
    }
    EXPECT_TRUE(std::isnan(y(0, 4))) << static_cast<int>(activation);
  }
}

TEST_P(ActivationTest, ClippedOnesAreZeroAtMinusInfinity) {
  for (const Activation activation : {Activation::relu, Activation::relu_squared, Activation::relu6}) {
    TestMatrix z(1, 1);
    TestMatrix y(1, 1);
    z(0, 0) = -std::numeric_limits<float>::infinity();
    kernels_.run(calls::BiasActivationForward{.z = z, .activation = activation, .y = y});
    EXPECT_EQ(y(0, 0), 0.0F) << static_cast<int>(activation);
  }
}

TEST_P(ActivationTest, AnElementHasTheSameBitsWhereverItStands) {
  for (const Activation activation : kEveryActivation) {
    const auto z = TestMatrix::random(1, 77, 1, 0, 3.0F);
    const auto dy = TestMatrix::random(1, 77, 2);
    auto inputs = z;
    TestMatrix y(1, 77);
    TestMatrix dz(1, 77);
    kernels_.run(calls::BiasActivationForward{.z = inputs, .activation = activation, .y = y});
    kernels_.run(calls::BiasActivationBackward{.dy = dy, .z = z, .y = y, .activation = activation, .dz = dz});
    for (std::int64_t j = 0; j < 77; ++j) {
      TestMatrix one_z(1, 1);
      TestMatrix one_dy(1, 1);
      TestMatrix one_y(1, 1);
      TestMatrix one_dz(1, 1);
      one_z(0, 0) = z(0, j);
      one_dy(0, 0) = dy(0, j);
      kernels_.run(calls::BiasActivationForward{.z = one_z, .activation = activation, .y = one_y});
      kernels_.run(
          calls::BiasActivationBackward{.dy = one_dy, .z = one_z, .y = one_y, .activation = activation, .dz = one_dz});
      ASSERT_EQ(one_y(0, 0), y(0, j)) << z(0, j);
      ASSERT_EQ(one_dz(0, 0), dz(0, j)) << z(0, j);
    }
  }
}

TEST_P(ActivationTest, BackwardMatchesCentralDifferences) {
  for (const Activation activation : kEveryActivation) {
    for (const std::int64_t width : kWidths) {
      for (const bool accumulate : {false, true}) {
        const auto z = TestMatrix::random(6, width, 1, width + 2);
        const auto dy = TestMatrix::random(6, width, 2, width + 1);
        TestMatrix y(6, width);
        std::vector<double> expected_dz;
        std::vector<double> expected_bias(static_cast<std::size_t>(width), accumulate ? 0.5 : 0.0);
        for (std::int64_t i = 0; i < 6; ++i) {
          for (std::int64_t j = 0; j < width; ++j) {
            const double at = static_cast<double>(z(i, j));
            y(i, j) = static_cast<float>(value_of(activation, at));
            const double slope = (value_of(activation, at + 1e-5) - value_of(activation, at - 1e-5)) / 2e-5;
            expected_dz.push_back(slope * static_cast<double>(dy(i, j)));
            expected_bias[static_cast<std::size_t>(j)] += expected_dz.back();
          }
        }
        TestMatrix dz(6, width, width + 4);
        std::vector<float> d_bias(static_cast<std::size_t>(width), 0.5F);
        kernels_.run(calls::BiasActivationBackward{.dy = dy,
                                                   .z = z,
                                                   .y = y,
                                                   .activation = activation,
                                                   .dz = dz,
                                                   .d_bias = d_bias.data(),
                                                   .accumulate_bias = accumulate});
        expect_close(dz.values(), expected_dz, 1e-6);
        expect_close(to_double(d_bias), expected_bias, 1e-6);
        EXPECT_TRUE(dz.gaps_untouched());
      }
    }
  }
}

TEST_P(ActivationTest, BackwardInPlaceSumsManyRowsAccurately) {
  auto dy = TestMatrix::random(5000, 33, 4);
  std::vector<double> expected(33, 0.0);
  for (std::int64_t i = 0; i < dy.rows(); ++i) {
    for (std::int64_t j = 0; j < 33; ++j) {
      dy(i, j) += 1.0F;
      expected[static_cast<std::size_t>(j)] += static_cast<double>(dy(i, j));
    }
  }
  std::vector<float> d_bias(33);
  kernels_.run(calls::BiasActivationBackward{.dy = dy, .dz = dy, .d_bias = d_bias.data()});
  expect_close(to_double(d_bias), expected, 5e-7);
}

TEST_P(ActivationTest, GradientOfBiasHasTheSameBitsOnAnyNumberOfThreads) {
  const int before = omp_get_max_threads();
  const auto dy = TestMatrix::random(1000, 384, 4);
  const auto z = TestMatrix::random(1000, 384, 5);
  TestMatrix dz(1000, 384);
  std::vector<std::vector<float>> sums;
  for (const int threads : {1, 2, 3}) {
    omp_set_num_threads(threads);
    sums.emplace_back(384);
    kernels_.run(calls::BiasActivationBackward{
        .dy = dy, .z = z, .activation = Activation::gelu, .dz = dz, .d_bias = sums.back().data()});
  }
  omp_set_num_threads(before);
  EXPECT_EQ(sums[1], sums[0]);
  EXPECT_EQ(sums[2], sums[0]);
}

TEST_P(ActivationTest, BackwardOfNoRowsGivesZero) {
  std::vector<float> d_bias(3, 9.0F);
  TestMatrix none(0, 3);
  kernels_.run(calls::BiasActivationBackward{.dy = none,
                                             .z = none,
                                             .y = none,
                                             .activation = Activation::gelu,
                                             .dz = none,
                                             .d_bias = d_bias.data(),
                                             .accumulate_bias = true});
  EXPECT_EQ(d_bias, std::vector<float>(3, 9.0F));
  kernels_.run(calls::BiasActivationBackward{
      .dy = none, .z = none, .y = none, .activation = Activation::gelu, .dz = none, .d_bias = d_bias.data()});
  EXPECT_EQ(d_bias, std::vector<float>(3, 0.0F));
}

TEST_P(ActivationTest, DropoutFollowsItsDefinitionBitForBit) {
  const Dropout dropout{.rate = 0.3F, .place = 5, .key = random_key(42, 17)};
  const std::array<std::uint32_t, 3> examples = {7, 7, 4000000000U};
  const std::array<std::uint32_t, 3> positions = {0, 1, 511};
  for (const std::int64_t width : kWidths) {
    const auto x = TestMatrix::random(3, width, 1, width + 1);
    TestMatrix y(3, width, width + 2);
    kernels_.run(calls::ApplyDropout{.x = x, .names = {examples.data(), positions.data()}, .dropout = dropout, .y = y});
    for (std::int64_t i = 0; i < 3; ++i) {
      for (std::int64_t j = 0; j < width; ++j) {
        const auto row = static_cast<std::size_t>(i);
        const double factor = dropout_factor(dropout, static_cast<std::uint32_t>(j), positions[row], examples[row]);
        ASSERT_EQ(y(i, j), x(i, j) * static_cast<float>(factor)) << i << ", " << j;
      }
    }
    EXPECT_TRUE(y.gaps_untouched());
  }
}

TEST_P(ActivationTest, DropoutKeepsAboutTheShareItShould) {
  const Dropout dropout{.rate = 0.1F, .place = 1, .key = random_key(1, 1)};
  const std::uint32_t name = 3;
  const std::vector<float> ones(100000, 1.0F);
  TestMatrix y(1, 100000);
  kernels_.run(calls::ApplyDropout{.x = row_of(ones), .names = {&name, &name}, .dropout = dropout, .y = y});
  double sum = 0.0;
  for (const double value : y.values()) {
    sum += value;
  }
  EXPECT_NEAR(sum / 100000.0, 1.0, 0.005);
}

TEST_P(ActivationTest, InactiveDropoutCopies) {
  const auto x = TestMatrix::random(3, 7, 1, 9);
  TestMatrix y(3, 7, 8);
  kernels_.run(calls::ApplyDropout{.x = x, .names = {}, .dropout = Dropout{}, .y = y});
  EXPECT_EQ(y.values(), x.values());
}

TEST_P(ActivationTest, CopyOverwritesOrAdds) {
  const auto x = TestMatrix::random(1, 37, 1);
  auto y = TestMatrix::random(1, 37, 2);
  std::vector<float> expected;
  for (std::int64_t j = 0; j < 37; ++j) {
    expected.push_back(y(0, j) + x(0, j));
  }
  kernels_.run(calls::Copy{.x = x, .y = y, .accumulate = true});
  EXPECT_EQ(y.values(), to_double(expected));
  kernels_.run(calls::Copy{.x = x, .y = y});
  EXPECT_EQ(y.values(), x.values());
  kernels_.run(calls::Copy{.x = y, .y = y});
  EXPECT_EQ(y.values(), x.values());
}

TEST_P(ActivationTest, CopyKeepsToItsColumns) {
  // The last is long enough for several threads, with and without gaps.
  for (const auto& [rows, columns] : {std::pair{0, 5}, {1, 1}, {3, 33}, {5, 384}, {301, 257}}) {
    for (const auto& [from_gap, to_gap] : {std::pair{0, 0}, {3, 0}, {0, 2}, {1, 4}}) {
      const auto x = TestMatrix::random(rows, columns, 1, columns + from_gap);
      auto y = TestMatrix::random(rows, columns, 2, columns + to_gap);
      std::vector<float> expected;
      for (std::int64_t i = 0; i < rows; ++i) {
        for (std::int64_t j = 0; j < columns; ++j) {
          expected.push_back(y(i, j) + x(i, j));
        }
      }
      kernels_.run(calls::Copy{.x = x, .y = y, .accumulate = true});
      EXPECT_EQ(y.values(), to_double(expected));
      EXPECT_TRUE(y.gaps_untouched());
      kernels_.run(calls::Copy{.x = x, .y = y});
      EXPECT_EQ(y.values(), x.values());
      EXPECT_TRUE(y.gaps_untouched());
    }
  }
}

TEST_P(ActivationTest, ClearZeroesTheBytesItIsGivenAndNoOthers) {
  // The last is long enough for several threads.
  for (const std::size_t bytes : {0U, 1U, 2U, 3U, 4U, 5U, 63U, 64U, 1027U, 1000003U}) {
    std::vector<unsigned char> block(bytes + 2, 0xA5);
    kernels_.run(calls::Clear{.data = block.data() + 1, .bytes = static_cast<std::int64_t>(bytes)});
    EXPECT_EQ(block.front(), 0xA5) << bytes;
    EXPECT_EQ(block.back(), 0xA5) << bytes;
    EXPECT_EQ(std::count(block.begin(), block.end(), 0), static_cast<std::ptrdiff_t>(bytes)) << bytes;
  }
}

}  // namespace
}  // namespace temper
