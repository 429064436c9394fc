// Sums without rounding. Expected values are those of Python's math.fsum, which rounds once.
#include "comm/exact_sum.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <random>
#include <vector>

#include "comm/communicator.h"
#include "tests/world.h"

namespace temper {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double sum_of(std::span<const double> values) {
  ExactSum sum;
  for (const double value : values) sum.add(value);
  return sum.value();
}
double sum_of(std::initializer_list<double> values) { return sum_of(std::span(values.begin(), values.size())); }

TEST(ExactSum, OfOneNumberIsIt) {
  for (const double value : {0.0, 1.0, -1.0, 0.1, -3.7e-5, 1e300, -1e-300, std::numeric_limits<double>::max(),
                             std::numeric_limits<double>::lowest(), std::numeric_limits<double>::min(),
                             std::numeric_limits<double>::denorm_min(), -0x1.8p-1060, 0x1.fffffffffffffp-1022})
    EXPECT_EQ(sum_of({value}), value);
  EXPECT_EQ(sum_of({}), 0.0);
}

TEST(ExactSum, LosesNothingToLargerNumbers) {
  EXPECT_EQ(sum_of({1e300, 1.0, -1e300}), 1.0);
  EXPECT_EQ(sum_of({1e300, -5e-324, -1e300}), -5e-324);
  EXPECT_EQ(sum_of({0.1, 0.2, 0.3, -0.6}), 2.7755575615628914e-17);
  EXPECT_EQ(sum_of(std::vector<double>(10, 0.1)), 1.0);
  EXPECT_EQ(sum_of({-1e16, 1.0, 1.0, 1e16}), 2.0);
  EXPECT_EQ(sum_of({1.0, -1.0}), 0.0);
  // Beyond the largest double on the way.
  EXPECT_EQ(sum_of({1.7e308, 1.7e308, -1.7e308}), 1.7e308);
}

TEST(ExactSum, RoundsOnceAndToEven) {
  constexpr double kHalfStep = 0x1p-53;  // of 1
  EXPECT_EQ(sum_of({1.0, kHalfStep}), 1.0);
  EXPECT_EQ(sum_of({1.0, kHalfStep, 0x1p-1074}), 1.0 + 2 * kHalfStep);
  EXPECT_EQ(sum_of({1.0 + 2 * kHalfStep, kHalfStep}), 1.0 + 4 * kHalfStep);
  EXPECT_EQ(sum_of({-1.0, -kHalfStep, -0x1p-200}), -1.0 - 2 * kHalfStep);
  EXPECT_EQ(sum_of({2.0 - 2 * kHalfStep, kHalfStep}), 2.0) << "the carry makes it one bit longer";
}

TEST(ExactSum, TellsWhatIsNotFinite) {
  EXPECT_EQ(sum_of({1.0, kInfinity}), kInfinity);
  EXPECT_EQ(sum_of({-kInfinity, 1e308}), -kInfinity);
  EXPECT_TRUE(std::isnan(sum_of({kInfinity, -kInfinity})));
  EXPECT_TRUE(std::isnan(sum_of({1.0, std::numeric_limits<double>::quiet_NaN()})));
  EXPECT_EQ(sum_of({1.7e308, 1.7e308}), kInfinity);
}

/// Numbers of many sizes, more of them positive.
std::vector<double> numbers(std::size_t count) {
  std::mt19937_64 random(7);
  std::vector<double> values;
  for (std::size_t i = 0; i < count; ++i) {
    const double mantissa = static_cast<double>(random() >> 11) * 0x1p-53;
    values.push_back(std::ldexp(random() % 3 == 0 ? -mantissa : mantissa, static_cast<int>(random() % 120) - 80));
  }
  return values;
}

TEST(ExactSum, DependsNeitherOnOrderNorOnParts) {
  std::vector<double> values = numbers(3000);
  const double expected = sum_of(values);
  long double near = 0.0L;
  for (const double value : values) near += value;
  EXPECT_NEAR(expected, static_cast<double>(near), std::abs(expected) * 1e-15);
  std::mt19937_64 random(1);
  for (int round = 0; round < 5; ++round) {
    std::shuffle(values.begin(), values.end(), random);
    EXPECT_EQ(sum_of(values), expected);
  }
  ExactSum first;
  ExactSum second;
  for (std::size_t i = 0; i < values.size(); ++i) (i % 5 == 0 ? first : second).add(values[i]);
  ExactSum::Words words = first.words();
  const ExactSum::Words others = second.words();
  for (std::size_t i = 0; i < words.size(); ++i) words[i] += others[i];
  ExactSum both;
  both.set_words(words);
  EXPECT_EQ(both.value(), expected);
}

TEST(ExactSum, HasTheSameBitsOnAnyNumberOfRanks) {
  Communicator& world = world_communicator();
  const std::vector<double> values = numbers(1000);
  ExactSum mine;
  for (std::size_t i = 0; i < values.size(); ++i)
    if (i % static_cast<std::size_t>(world.size()) == static_cast<std::size_t>(world.rank())) mine.add(values[i]);
  ExactSum::Words words = mine.words();
  world.all_reduce(std::span<std::int64_t>(words), Reduction::sum);
  mine.set_words(words);
  EXPECT_EQ(mine.value(), sum_of(values));
}

}  // namespace
}  // namespace temper
