// Sums that have no order. Runs alone and under mpirun: each rank brings its share of the numbers.
#include "comm/fixed_point_sums.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>

#include "comm/exact_sum.h"
#include "tests/world.h"

namespace temper {
namespace {

struct Number {
  std::size_t group;
  std::size_t sum;
  double value;
};

std::vector<double> sums_of(const std::vector<std::size_t>& starts, const std::vector<Number>& numbers,
                            Communicator& communicator) {
  FixedPointSums sums(starts);
  for (const Number& number : numbers) sums.note(number.group, number.value);
  sums.agree(communicator);
  for (const Number& number : numbers) sums.add(number.group, number.sum, number.value);
  return sums.share(communicator);
}

/// Three groups of 2, 0 and 3 sums.
const std::vector<std::size_t> kStarts{0, 2, 2, 5};

std::vector<Number> some_numbers(double scale) {
  std::mt19937 engine(3);
  std::lognormal_distribution<double> spread(0.0, 4.0);
  std::vector<Number> numbers;
  for (std::size_t i = 0; i < 3000; ++i) {
    const std::size_t group = i % 2 * 2;
    numbers.push_back({group, i / 2 % (group == 0 ? 2 : 3), (i % 5 == 0 ? -scale : scale) * spread(engine)});
  }
  return numbers;
}

TEST(FixedPointSums, HaveTheSameBitsWhoeverBringsWhichNumber) {
  const auto solo = make_solo_communicator();
  Communicator& world = world_communicator();
  for (const double scale : {1.0, 1e-40, 1e30}) {
    std::vector<Number> numbers = some_numbers(scale);
    const std::vector<double> expected = sums_of(kStarts, numbers, *solo);
    for (int round = 0; round < 3; ++round) {
      std::vector<Number> mine;
      for (std::size_t i = 0; i < numbers.size(); ++i)
        if (i % static_cast<std::size_t>(world.size()) == static_cast<std::size_t>(world.rank()))
          mine.push_back(numbers[i]);
      EXPECT_EQ(sums_of(kStarts, mine, world), expected);
      std::shuffle(numbers.begin(), numbers.end(), std::mt19937(static_cast<unsigned>(round)));
    }
    std::vector<ExactSum> exact(5);
    for (const Number& number : numbers) exact[kStarts[number.group] + number.sum].add(number.value);
    for (std::size_t i = 0; i < exact.size(); ++i) EXPECT_EQ(expected[i], exact[i].value()) << i;
  }
}

TEST(FixedPointSums, OfNothingAreZero) {
  const auto solo = make_solo_communicator();
  EXPECT_EQ(sums_of(kStarts, {{0, 1, 0.0}}, *solo), std::vector<double>(5));
  EXPECT_EQ(sums_of({0}, {}, *solo), std::vector<double>());
}

TEST(FixedPointSums, ReachTheLargestAndTheSmallestDoubles) {
  const auto solo = make_solo_communicator();
  for (const double value : {std::numeric_limits<double>::max(), std::numeric_limits<double>::min(), -1.0})
    EXPECT_EQ(sums_of({0, 2}, {{0, 0, value}}, *solo), (std::vector<double>{value, 0.0}));
}

TEST(FixedPointSums, OfAGroupWithANumberThatIsNotFiniteAreNone) {
  Communicator& world = world_communicator();
  std::vector<Number> mine{{0, 0, 1.0}, {2, 1, 2.0}};
  if (world.rank() == 0) mine.push_back({0, 1, std::numeric_limits<double>::infinity()});
  const std::vector<double> sums = sums_of(kStarts, mine, world);
  EXPECT_TRUE(std::isnan(sums[0]));
  EXPECT_TRUE(std::isnan(sums[1]));
  EXPECT_EQ(sums[3], 2.0 * world.size()) << "other groups are as they were";
}

}  // namespace
}  // namespace temper
