#include "data/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <numeric>

#include "base/counter_random.h"

namespace temper {
namespace {

using Rows = std::vector<std::int64_t>;
using Order = std::vector<std::uint32_t>;

TEST(Sampler, EveryRowComesOnce) {
  Order order = epoch_order(1000, 1, 0, true);
  EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
  std::sort(order.begin(), order.end());
  EXPECT_EQ(order, epoch_order(1000, 1, 0, false));
  EXPECT_EQ(order.front(), 0);
  EXPECT_EQ(order.back(), 999);
}

TEST(Sampler, OrderDependsOnSeedAndEpochAlone) {
  EXPECT_EQ(epoch_order(100, 7, 3, true), epoch_order(100, 7, 3, true));
  EXPECT_NE(epoch_order(100, 7, 3, true), epoch_order(100, 7, 4, true));
  EXPECT_NE(epoch_order(100, 7, 3, true), epoch_order(100, 8, 3, true));
}

TEST(Sampler, OrderIsTheSameForEver) {
  // Written down once: another value means that runs no longer continue from older checkpoints.
  EXPECT_EQ(epoch_order(8, 42, 1, true), (Order{2, 7, 4, 1, 3, 0, 5, 6}));
}

TEST(Sampler, EveryPermutationIsAboutEquallyLikely) {
  std::map<Order, int> counts;
  constexpr int kDraws = 6000;
  for (int seed = 0; seed < kDraws; ++seed) ++counts[epoch_order(3, static_cast<std::uint64_t>(seed), 0, true)];
  ASSERT_EQ(counts.size(), 6U);
  // Six standard deviations of a binomial distribution around a thousand.
  for (const auto& [order, count] : counts) EXPECT_NEAR(count, kDraws / 6, 6 * 29);
}

TEST(CounterRandom, BelowIsUnbiasedAndInRange) {
  CounterRandom random({5});
  std::array<int, 3> counts{};
  for (int i = 0; i < 3000; ++i) ++counts.at(random.below(3));
  for (const int count : counts) EXPECT_NEAR(count, 1000, 6 * 26);
}

TEST(CounterRandom, EveryWordOfTheKeyCounts) {
  EXPECT_NE(CounterRandom({1, 2}).next(), CounterRandom({2, 1}).next());
  EXPECT_NE(CounterRandom({1, 0}).next(), CounterRandom({1}).next());
  EXPECT_EQ(CounterRandom({1, 2}).next(), CounterRandom({1, 2}).next());
}

TEST(Sampler, RefusesMoreRowsThanABatchCanName) {
  EXPECT_THROW(epoch_order(std::int64_t{1} << 32, 1, 0, true), std::runtime_error);
}

TEST(Sampler, LastBatchMayBeSmaller) {
  EXPECT_EQ(steps_per_epoch(10, 5), 2);
  EXPECT_EQ(steps_per_epoch(11, 5), 3);
  EXPECT_EQ(steps_per_epoch(0, 5), 0);
  EXPECT_THROW(steps_per_epoch(10, 0), std::runtime_error);
}

TEST(Grains, HoldEveryRowOnceInBatchOrderWithEqualLoad) {
  CounterRandom random({1});
  Rows lengths(64);
  for (std::int64_t& length : lengths) length = 2 + static_cast<std::int64_t>(random.below(60));
  const Order order = epoch_order(64, 1, 0, true);
  const Rows batch(order.begin(), order.end());
  Rows of_batch;
  for (const std::int64_t row : batch) of_batch.push_back(lengths[static_cast<std::size_t>(row)]);
  const GrainAssignment assignment = assign_grains(batch, of_batch, 5);
  ASSERT_EQ(assignment.rows.size(), 5U);
  Rows all;
  Rows loads;
  for (const Rows& rows : assignment.rows) {
    std::int64_t load = 0;
    Rows places;
    for (const std::int64_t row : rows) {
      load += lengths[static_cast<std::size_t>(row)];
      places.push_back(std::find(batch.begin(), batch.end(), row) - batch.begin());
      all.push_back(row);
    }
    EXPECT_TRUE(std::is_sorted(places.begin(), places.end()));
    loads.push_back(load);
  }
  std::sort(all.begin(), all.end());
  const Order in_order = epoch_order(64, 0, 0, false);
  EXPECT_EQ(all, Rows(in_order.begin(), in_order.end()));
  const auto [least, most] = std::minmax_element(loads.begin(), loads.end());
  EXPECT_LE(static_cast<double>(*most), 1.1 * static_cast<double>(*least));
}

TEST(Grains, TiesGoToTheFirstGrainAndTheEarlierRow) {
  const Rows lengths(4, 10);
  const Rows batch{5, 3, 1, 0};
  EXPECT_EQ(assign_grains(batch, lengths, 2).rows, (std::vector<Rows>{{5, 1}, {3, 0}}));
}

TEST(Grains, AreEmptyWhereRowsAreFew) {
  const Rows lengths{4, 9};
  EXPECT_EQ(assign_grains(Rows{0, 1}, lengths, 4).rows, (std::vector<Rows>{{1}, {0}, {}, {}}));
  EXPECT_EQ(assign_grains(Rows{}, Rows{}, 2).rows, (std::vector<Rows>{{}, {}}));
}

}  // namespace
}  // namespace temper
