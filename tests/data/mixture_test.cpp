#include "data/mixture.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "data/loader.h"
#include "data/row_range.h"
#include "data/sampler.h"
#include "data/token_store.h"
#include "tests/data/example_rows.h"
#include "tests/data/temporary_folder.h"

namespace temper {
namespace {

using testing_support::error_of;
using testing_support::rows_of_lengths;
using testing_support::rows_with_targets;
using Order = std::vector<std::uint32_t>;

std::shared_ptr<const ExampleSource> source_of(const std::vector<std::int64_t>& lengths) {
  return std::make_shared<TokenStore>(rows_of_lengths(lengths));
}

std::shared_ptr<const ExampleSource> source_of_rows(std::int64_t rows) {
  return source_of(std::vector<std::int64_t>(static_cast<std::size_t>(rows), 2));
}

TEST(Mixture, OfOneSourceIsThatSource) {
  const Mixture mixture({{source_of_rows(50), 0.3}});
  for (const bool shuffle : {false, true})
    for (std::int64_t epoch = 0; epoch < 3; ++epoch)
      EXPECT_EQ(mixture.order_of(9, epoch, shuffle), epoch_order(50, 9, epoch, shuffle));
}

TEST(Mixture, GivesEachSourceItsShareAndTheFirstEachRowOnce) {
  // 60 rows of weight 3 make 20 of weight 1.
  const Mixture mixture({{source_of_rows(60), 3.0}, {source_of_rows(1000), 1.0}});
  EXPECT_EQ(mixture.rows(), 1060);
  EXPECT_EQ(mixture.epoch_rows(), 80);
  for (const bool shuffle : {false, true}) {
    Order order = mixture.order_of(1, 4, shuffle);
    ASSERT_EQ(order.size(), 80U);
    std::sort(order.begin(), order.end());
    for (std::uint32_t row = 0; row < 60; ++row) EXPECT_EQ(order[row], row);
    EXPECT_GE(order[60], 60U);
    EXPECT_EQ(std::adjacent_find(order.begin(), order.end()), order.end()) << "no row comes twice";
  }
}

TEST(Mixture, TellsWhatItTakesOfEach) {
  const Mixture mixture({{source_of_rows(60), 3.0}, {source_of_rows(10), 1.0}});
  EXPECT_EQ(mixture.parts(), 2U);
  EXPECT_EQ(mixture.rows_of(1), 10);
  EXPECT_EQ(mixture.rows_taken(0), 60);
  EXPECT_EQ(mixture.rows_taken(1), 20);
  EXPECT_DOUBLE_EQ(mixture.passes(59), 1.0);
  EXPECT_DOUBLE_EQ(mixture.passes(60), 2.0);
}

TEST(Mixture, OfRangesOfAStoreNamesItsRows) {
  const TokenStore store(rows_of_lengths({1, 2, 3, 4, 5}));
  const Mixture mixture(
      {{std::make_shared<RowRange>(store, 0, 2), 1.0}, {std::make_shared<RowRange>(store, 2, 3), 1.0}});
  const std::vector<std::int64_t> rows{1, 4};
  const Batch batch = mixture.read(rows, 0);
  EXPECT_EQ(batch, store.read(rows, 0));
  EXPECT_EQ(mixture.cost(4), 5);
}

TEST(Mixture, WalksThroughALargeSourceOverTheEndsOfEpochs) {
  const Mixture mixture({{source_of_rows(10), 2.0}, {source_of_rows(20), 1.0}});  // 5 of 20 an epoch
  std::map<std::uint32_t, int> seen;
  for (std::int64_t epoch = 0; epoch < 8; ++epoch) {
    for (const std::uint32_t row : mixture.order_of(3, epoch, true))
      if (row >= 10) ++seen[row];
    if (epoch == 3) {
      EXPECT_EQ(seen.size(), 20U) << "all came once before one comes twice";
      for (const auto& [row, count] : seen) EXPECT_EQ(count, 1);
    }
  }
  for (const auto& [row, count] : seen) EXPECT_EQ(count, 2);
}

TEST(Mixture, ASmallSourceComesSeveralTimesAnEpoch) {
  const Mixture mixture({{source_of_rows(8), 1.0}, {source_of_rows(2), 1.0}});
  std::map<std::uint32_t, int> seen;
  for (const std::uint32_t row : mixture.order_of(3, 0, true)) ++seen[row];
  EXPECT_EQ(seen[8], 4);
  EXPECT_EQ(seen[9], 4);
}

TEST(Mixture, IsAFunctionOfSeedEpochAndPositionAlone) {
  const Mixture mixture({{source_of_rows(30), 2.0}, {source_of_rows(40), 1.0}});
  EXPECT_EQ(mixture.order_of(5, 2, true), mixture.order_of(5, 2, true));
  EXPECT_NE(mixture.order_of(5, 2, true), mixture.order_of(6, 2, true));
  EXPECT_NE(mixture.order_of(5, 2, true), mixture.order_of(5, 3, true));
  // Written down once: another value means that runs no longer continue from older checkpoints.
  const Mixture small({{source_of_rows(4), 2.0}, {source_of_rows(3), 1.0}});
  EXPECT_EQ(small.order_of(42, 1, true), (Order{1, 0, 5, 2, 5, 3}));
  EXPECT_EQ(small.order_of(42, 1, false), (Order{0, 1, 6, 2, 3, 4}));
}

TEST(Mixture, SpreadsSourcesEvenlyWhereItDoesNotShuffle) {
  const Mixture mixture({{source_of_rows(4), 2.0}, {source_of_rows(9), 1.0}});
  EXPECT_EQ(mixture.order_of(1, 0, false), (Order{0, 1, 4, 2, 3, 5}));
}

TEST(Mixture, ReadsRowsOfItsPartsUnderNumbersOfItsOwn) {
  const Mixture mixture({{source_of({1, 3}), 1.0}, {source_of({2, 4}), 1.0}});
  EXPECT_EQ(mixture.cost(1), 3);
  EXPECT_EQ(mixture.cost(3), 4);
  const std::vector<std::int64_t> rows{3, 0, 2};
  const Batch batch = mixture.read(rows, 0);
  EXPECT_EQ(batch.examples, (std::vector<std::uint32_t>{3, 0, 2}));
  EXPECT_EQ(batch.sequence_starts, (std::vector<std::int32_t>{0, 4, 5, 7}));
  EXPECT_EQ(batch.text().ids, (std::vector<std::int32_t>{102, 103, 104, 105, 100, 100, 101}));
}

TEST(Mixture, IsLoadedAsAnySource) {
  const Mixture mixture({{source_of_rows(10), 2.0}, {source_of_rows(20), 1.0}});
  LoaderOptions options;
  options.batch_size = 4;
  options.epochs = 2;
  options.seed = 3;
  Loader loader(mixture, options, {});
  Order loaded;
  while (const std::optional<StepBatch> step = loader.next())
    for (const Batch& batch : step->grains.front())
      loaded.insert(loaded.end(), batch.examples.begin(), batch.examples.end());
  Order expected = mixture.order_of(3, 0, true);
  const Order second = mixture.order_of(3, 1, true);
  expected.insert(expected.end(), second.begin(), second.end());
  EXPECT_EQ(loaded, expected);
}

TEST(Mixture, RefusesWhatCannotBeMixed) {
  EXPECT_HAS(error_of([] { Mixture({}); }), "no sources");
  EXPECT_HAS(error_of([] {
               Mixture({{source_of_rows(1), 1.0}, {std::make_shared<TokenStore>(), 1.0}});
             }),
             "source 2 of a mixture has no rows");
  EXPECT_HAS(error_of([] { Mixture({{source_of_rows(1), 0.0}}); }), "has the weight 0, expected a number above 0");
  EXPECT_HAS(error_of([] {
               Mixture({{source_of_rows(1), 1.0}, {std::make_shared<TokenStore>(rows_with_targets({2}, 3)), 1.0}});
             }),
             "has 3 targets per row, the first has 0");
  for (const auto& [first, second] : {std::pair{1e-300, 1.0}, {1.0, 1e300}, {1e-300, 1e300}, {1.0, 1e9}})
    EXPECT_HAS(error_of([&] {
                 Mixture({{source_of_rows(5), first}, {source_of_rows(1), second}});
               }),
               "expected 4294967295 at most");
  EXPECT_EQ(Mixture({{source_of_rows(5), 1e300}, {source_of_rows(1), 1e-300}}).epoch_rows(), 6) << "one at least";
}

}  // namespace
}  // namespace temper
