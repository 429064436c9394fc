#include "model/initialization.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"

namespace temper {
namespace {

struct Moments {
  double mean;
  double deviation;
  double largest;
};

Moments moments_of(Initialization initialization, const Shape& shape) {
  std::vector<float> values(static_cast<std::size_t>(shape.elements()));
  initialize(values, shape, initialization, 1, "weight");
  double sum = 0.0;
  double squares = 0.0;
  double largest = 0.0;
  for (const float value : values) {
    sum += value;
    squares += static_cast<double>(value) * value;
    largest = std::max(largest, static_cast<double>(std::abs(value)));
  }
  const auto n = static_cast<double>(values.size());
  return {sum / n, std::sqrt(squares / n - sum / n * sum / n), largest};
}

const Shape kShape{200, 500};

TEST(Initialization, NormalHasItsDeviation) {
  const Moments m = moments_of(Initialization::normal(0.02F), kShape);
  EXPECT_NEAR(m.mean, 0.0, 3e-4);
  EXPECT_NEAR(m.deviation, 0.02, 3e-4);
  EXPECT_GT(m.largest, 0.06);
}

TEST(Initialization, TruncatedNormalStaysWithinTwoDeviations) {
  const Moments m = moments_of(Initialization::truncated_normal(0.02F), kShape);
  EXPECT_LE(m.largest, 0.04);
  // The deviation of a normal cut at two of its own is 0.8796 of it.
  EXPECT_NEAR(m.deviation, 0.02 * 0.8796, 3e-4);
}

TEST(Initialization, XavierUniformFillsItsInterval) {
  const double bound = std::sqrt(6.0 / 700.0);
  const Moments m = moments_of(Initialization::xavier_uniform(), kShape);
  EXPECT_LE(m.largest, bound);
  EXPECT_NEAR(m.deviation, bound / std::sqrt(3.0), 1e-3);
}

TEST(Initialization, KaimingNormalCountsTheInputs) {
  EXPECT_NEAR(moments_of(Initialization::kaiming_normal(), kShape).deviation, std::sqrt(2.0 / 500.0), 1e-3);
}

TEST(Initialization, FansOfAConvolutionCountItsKernel) {
  const Shape convolution{64, 32, 3, 5};
  EXPECT_NEAR(moments_of(Initialization::kaiming_normal(), convolution).deviation, std::sqrt(2.0 / (32 * 15)), 1e-3);
  const double bound = std::sqrt(6.0 / ((32 + 64) * 15));
  const Moments m = moments_of(Initialization::xavier_uniform(), convolution);
  EXPECT_LE(m.largest, bound);
  EXPECT_GT(m.largest, 0.99 * bound);
  EXPECT_NEAR(m.deviation, bound / std::sqrt(3.0), 1e-3);
  // In one dimension, as over time.
  EXPECT_NEAR(moments_of(Initialization::kaiming_normal(), {128, 64, 7}).deviation, std::sqrt(2.0 / (64 * 7)), 1e-3);
}

TEST(Initialization, RefusesFansOfAVector) {
  EXPECT_THROW(moments_of(Initialization::kaiming_normal(), {64}), Error);
  EXPECT_THROW(moments_of(Initialization::xavier_uniform(), {64}), Error);
  EXPECT_EQ(moments_of(Initialization::ones(), {64}).mean, 1.0);
}

TEST(Initialization, ZerosAndOnesAreExact) {
  EXPECT_EQ(moments_of(Initialization::zeros(), kShape).largest, 0.0);
  EXPECT_EQ(moments_of(Initialization::ones(), kShape).mean, 1.0);
}

TEST(Initialization, DependsOnSeedAndNameAlone) {
  std::vector<float> a(64);
  std::vector<float> b(64);
  initialize(a, {8, 8}, Initialization::normal(1.0F), 1, "one");
  initialize(b, {8, 8}, Initialization::normal(1.0F), 1, "one");
  EXPECT_EQ(a, b);
  initialize(b, {8, 8}, Initialization::normal(1.0F), 1, "two");
  EXPECT_NE(a, b);
  initialize(b, {8, 8}, Initialization::normal(1.0F), 2, "one");
  EXPECT_NE(a, b);
}

}  // namespace
}  // namespace temper
