#include "data/loader.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "data/sampler.h"
#include "data/token_store.h"
#include "tests/data/example_rows.h"
#include "tests/data/temporary_folder.h"

namespace temper {
namespace {

using testing_support::error_of;
using testing_support::rows_of_lengths;

const TokenStore& example() {
  static const TokenStore store(rows_of_lengths({3, 9, 2, 7, 5, 4, 8, 6, 1, 2, 3}));
  return store;
}

LoaderOptions options() {
  LoaderOptions options;
  options.batch_size = 4;
  options.grains = 3;
  options.first_grain = 0;
  options.last_grain = 3;
  options.micro_batches = 2;
  options.seed = 11;
  options.epochs = 2;
  return options;
}

std::vector<StepBatch> all_steps(const LoaderOptions& options, LoaderPosition start) {
  Loader loader(example(), options, start);
  std::vector<StepBatch> steps;
  while (std::optional<StepBatch> step = loader.next()) steps.push_back(*std::move(step));
  return steps;
}

void expect_same(const StepBatch& a, const StepBatch& b) {
  EXPECT_EQ(a.position, b.position);
  EXPECT_EQ(a.global_rows, b.global_rows);
  EXPECT_EQ(a.grains, b.grains);
}

std::vector<std::uint32_t> examples_of(const StepBatch& step) {
  std::vector<std::uint32_t> examples;
  for (const auto& grain : step.grains)
    for (const Batch& batch : grain) examples.insert(examples.end(), batch.examples.begin(), batch.examples.end());
  return examples;
}

TEST(Loader, GivesEveryRowOnceAnEpoch) {
  const std::vector<StepBatch> steps = all_steps(options(), {});
  ASSERT_EQ(steps.size(), 6U);
  for (std::size_t epoch = 0; epoch < 2; ++epoch) {
    std::vector<std::uint32_t> examples;
    for (std::size_t s = 0; s < 3; ++s) {
      const StepBatch& step = steps[3 * epoch + s];
      EXPECT_EQ(step.position, (LoaderPosition{static_cast<std::int64_t>(epoch), static_cast<std::int64_t>(s)}));
      EXPECT_EQ(step.global_rows, s == 2 ? 3 : 4);
      const std::vector<std::uint32_t> some = examples_of(step);
      examples.insert(examples.end(), some.begin(), some.end());
    }
    std::sort(examples.begin(), examples.end());
    EXPECT_EQ(examples, (std::vector<std::uint32_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10})) << "epoch " << epoch;
  }
}

TEST(Loader, EveryGrainHasItsMicroBatchesAlsoWhereRowsAreFew) {
  for (const StepBatch& step : all_steps(options(), {})) {
    ASSERT_EQ(step.grains.size(), 3U);
    for (const auto& grain : step.grains) EXPECT_EQ(grain.size(), 2U);
  }
}

TEST(Loader, MicroBatchesAreContiguousPartsOfTheirGrain) {
  LoaderOptions whole = options();
  whole.micro_batches = 1;
  LoaderOptions cut = options();
  cut.micro_batches = 3;
  const std::vector<StepBatch> expected = all_steps(whole, {});
  const std::vector<StepBatch> steps = all_steps(cut, {});
  ASSERT_EQ(steps.size(), expected.size());
  for (std::size_t s = 0; s < steps.size(); ++s) EXPECT_EQ(examples_of(steps[s]), examples_of(expected[s]));
}

TEST(Loader, RanksShareTheGrainsOfOneRank) {
  const std::vector<StepBatch> alone = all_steps(options(), {});
  LoaderOptions first = options();
  first.last_grain = 1;
  LoaderOptions second = options();
  second.first_grain = 1;
  const std::vector<StepBatch> a = all_steps(first, {});
  const std::vector<StepBatch> b = all_steps(second, {});
  ASSERT_EQ(a.size(), alone.size());
  ASSERT_EQ(b.size(), alone.size());
  for (std::size_t s = 0; s < alone.size(); ++s) {
    EXPECT_EQ(a[s].global_rows, alone[s].global_rows);
    EXPECT_EQ(a[s].grains[0], alone[s].grains[0]);
    EXPECT_EQ(b[s].grains[0], alone[s].grains[1]);
    EXPECT_EQ(b[s].grains[1], alone[s].grains[2]);
  }
}

TEST(Loader, ContinuesFromAPositionAsIfItHadNeverStopped) {
  const std::vector<StepBatch> whole = all_steps(options(), {});
  const std::vector<StepBatch> rest = all_steps(options(), {0, 2});
  ASSERT_EQ(rest.size(), 4U);
  for (std::size_t s = 0; s < rest.size(); ++s) expect_same(rest[s], whole[s + 2]);
  const std::vector<StepBatch> next_epoch = all_steps(options(), {0, 3});
  ASSERT_EQ(next_epoch.size(), 3U);
  expect_same(next_epoch[0], whole[3]);
}

TEST(Loader, HowFarAheadItPacksChangesNothing) {
  LoaderOptions far = options();
  far.prefetch = 50;
  LoaderOptions near = options();
  near.prefetch = 1;
  const std::vector<StepBatch> a = all_steps(far, {});
  const std::vector<StepBatch> b = all_steps(near, {});
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t s = 0; s < a.size(); ++s) expect_same(a[s], b[s]);
}

TEST(Loader, RunsEndlesslyWhereNoEndIsSet) {
  LoaderOptions endless = options();
  endless.epochs = -1;
  Loader loader(example(), endless, {});
  for (int step = 0; step < 20; ++step) ASSERT_TRUE(loader.next().has_value());
  EXPECT_EQ(loader.next()->position, (LoaderPosition{6, 2}));
}

TEST(Loader, EndsWithStepsUnusedAndAfterItsEnd) {
  { const Loader unused(example(), options(), {}); }
  LoaderOptions none = options();
  none.epochs = 0;
  Loader loader(example(), none, {});
  EXPECT_FALSE(loader.next().has_value());
  EXPECT_FALSE(loader.next().has_value());
}

TEST(Loader, PassesOnTheErrorOfItsThread) {
  TokenRows damaged = rows_of_lengths({3, 4});
  damaged.starts = {0, std::int64_t{1} << 40, std::int64_t{1} << 41};
  const TokenStore store(std::move(damaged));
  Loader loader(store, options(), {});
  EXPECT_HAS(error_of([&] { loader.next(); }), "is too large");
  EXPECT_HAS(error_of([&] { loader.next(); }), "is too large");
}

TEST(Loader, TransformsWhatItReadsByTheEpochOfTheStep) {
  TokenStore store = example();
  store.transform_with(
      [](Batch& batch, std::uint64_t seed, std::int64_t epoch) {
        for (std::int32_t& id : batch.text().ids)
          id += static_cast<std::int32_t>(1000 * seed) + static_cast<std::int32_t>(epoch);
      },
      7);
  store.transform_with(
      [](Batch& batch, std::uint64_t, std::int64_t) {
        for (std::int32_t& id : batch.text().ids) id *= 2;
      },
      0);
  const std::vector<StepBatch> plain = all_steps(options(), {});
  Loader loader(store, options(), {});
  for (const StepBatch& expected : plain) {
    const std::optional<StepBatch> step = loader.next();
    ASSERT_TRUE(step.has_value());
    for (std::size_t grain = 0; grain < expected.grains.size(); ++grain)
      for (std::size_t part = 0; part < expected.grains[grain].size(); ++part) {
        std::vector<std::int32_t> ids = expected.grains[grain][part].text().ids;
        for (std::int32_t& id : ids) id = 2 * (id + 7000 + static_cast<std::int32_t>(expected.position.epoch));
        EXPECT_EQ(step->grains[grain][part].text().ids, ids);
      }
  }
}

TEST(Loader, RefusesOptionsOutOfRange) {
  const auto refused = [](auto change) {
    LoaderOptions wrong = options();
    change(wrong);
    return error_of([&] { Loader(example(), wrong, {}); });
  };
  EXPECT_HAS(refused([](LoaderOptions& o) { o.batch_size = 0; }), "batch size is 0, expected at least 1");
  EXPECT_HAS(refused([](LoaderOptions& o) { o.last_grain = 4; }), "number of grains is 3, expected at least 4");
  EXPECT_HAS(refused([](LoaderOptions& o) { o.micro_batches = 0; }), "micro-batches is 0");
  EXPECT_HAS(refused([](LoaderOptions& o) { o.prefetch = 0; }), "ahead is 0");
  EXPECT_HAS(error_of([] { Loader(example(), options(), {0, 4}); }), "step 4 of an epoch of 3 steps");
  EXPECT_HAS(error_of([] { Loader(TokenStore(), options(), {}); }), "no rows");
}

}  // namespace
}  // namespace temper
