#include "data/token_store.h"

#include <gtest/gtest.h>

#include <array>

#include "tests/data/example_rows.h"
#include "tests/data/temporary_folder.h"

namespace temper {
namespace {

using testing_support::error_of;
using testing_support::rows_of_lengths;
using testing_support::rows_with_targets;
using testing_support::rows_with_token_classes;
using Ints = std::vector<std::int32_t>;

TEST(TokenStore, PutsRowsOneBehindTheOther) {
  const std::array<std::int64_t, 2> rows = {2, 0};
  const Batch batch = TokenStore(rows_of_lengths({2, 1, 3})).read(rows, 0);
  EXPECT_EQ(batch.text().ids, (Ints{103, 104, 105, 100, 101}));
  EXPECT_EQ(batch.text().types, (Ints{0, 1, 0, 0, 1}));
  EXPECT_EQ(batch.positions, (Ints{0, 1, 2, 0, 1}));
  EXPECT_EQ(batch.sequence_starts, (Ints{0, 3, 5}));
  EXPECT_EQ(batch.examples, (std::vector<std::uint32_t>{2, 0}));
  EXPECT_EQ(batch.classes, (Ints{2, 0}));
  EXPECT_EQ(batch.tokens(), 5);
  EXPECT_EQ(batch.sequences(), 2);
  EXPECT_EQ(batch.max_length(), 3);
}

TEST(TokenStore, TakesTargetsAndTokenClassesAlong) {
  const std::array<std::int64_t, 2> rows = {2, 0};
  const Batch targets = TokenStore(rows_with_targets({2, 1, 3}, 2)).read(rows, 0);
  EXPECT_EQ(targets.target_width, 2);
  EXPECT_EQ(targets.targets, (std::vector<float>{4, 5, 0, 1}));
  EXPECT_TRUE(targets.classes.empty());
  EXPECT_EQ(TokenStore(rows_with_token_classes({2, 1, 3})).read(rows, 0).classes, (Ints{3, 4, 5, 0, 1}));
}

TEST(TokenStore, WeightsOfTokensGoAlongAndAreOneWhereAStoreHasNone) {
  const TokenStore weighted(testing_support::rows_with_weights({2, 1}));
  const TokenStore plain(testing_support::rows_with_token_classes({2}));
  Batch batch;
  plain.append(0, 0, batch);
  EXPECT_TRUE(batch.weights.empty());
  weighted.append(1, 1, batch);
  plain.append(0, 0, batch);
  EXPECT_EQ(batch.weights, (std::vector<float>{1.0F, 1.0F, 2.5F, 1.0F, 1.0F}));
  TokenRows unfit = testing_support::rows_of_lengths({2});
  unfit.weights = {1.0F, 1.0F};
  EXPECT_THROW(require_consistent(unfit, "rows"), Error) << "weights are of classes of tokens";
}

TEST(TokenStore, BatchesGoThroughAllRowsAsTheyAre) {
  const std::vector<std::int64_t> lengths(3000, 50);
  TokenStore store(testing_support::rows_of_lengths(lengths));
  store.transform_with([](Batch& batch, std::uint64_t, std::int64_t) { batch.text().ids.assign(1, 0); }, 1);
  std::int64_t next = 0;
  int batches = 0;
  for_each_batch(store, [&](const Batch& batch, std::int64_t first) {
    EXPECT_EQ(first, next);
    EXPECT_EQ(batch.examples.front(), static_cast<std::uint32_t>(first));
    EXPECT_EQ(batch.text().ids.front(), 100 + 50 * first);
    next += batch.sequences();
    ++batches;
    return true;
  });
  EXPECT_EQ(next, 3000);
  EXPECT_GT(batches, 1);
  batches = 0;
  for_each_batch(store, [&](const Batch&, std::int64_t) { return ++batches < 0; });
  EXPECT_EQ(batches, 1);
}

TEST(TokenStore, NoRowsGiveAnEmptyBatch) {
  const Batch batch = TokenStore(rows_of_lengths({2})).read({}, 0);
  EXPECT_EQ(batch.sequence_starts, (Ints{0}));
  EXPECT_EQ(batch.tokens(), 0);
  EXPECT_EQ(batch.sequences(), 0);
  EXPECT_EQ(batch.max_length(), 0);
}

TEST(TokenStore, RefusesRowsThatAreNotThere) {
  const std::array<std::int64_t, 1> rows = {1};
  EXPECT_HAS(error_of([&] { (void)TokenStore(rows_of_lengths({2})).read(rows, 0); }),
             "row 1 was asked for, the data set has 1");
}

TEST(TokenStore, SegmentsThatAreAllZeroTakeNoRoom) {
  TokenRows plain = rows_of_lengths({2, 1});
  plain.types = {0, 0, 0};
  const TokenStore store(std::move(plain));
  EXPECT_TRUE(store.types().empty());
  const std::array<std::int64_t, 2> rows = {1, 0};
  EXPECT_EQ(store.read(rows, 0).text().types, (Ints{0, 0, 0}));
}

TEST(TokenStore, AScanGoesThroughAllPiecesInOrderAndStopsWhereItIsTold) {
  const TokenStore store(rows_of_lengths({600'000, 1}));
  std::size_t next = 0;
  std::size_t pieces = 0;
  store.scan(store.ids(), [&](std::span<const std::int32_t> piece, std::size_t first) {
    EXPECT_EQ(first, next);
    EXPECT_EQ(piece.front(), 100 + static_cast<std::int32_t>(first));
    next += piece.size();
    ++pieces;
    return true;
  });
  EXPECT_EQ(next, 600'001U);
  EXPECT_GT(pieces, 2U);
  pieces = 0;
  store.scan(store.ids(), [&](std::span<const std::int32_t>, std::size_t) { return ++pieces < 2; });
  EXPECT_EQ(pieces, 2U);
}

}  // namespace
}  // namespace temper
