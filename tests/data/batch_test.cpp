#include "data/batch.h"

#include <gtest/gtest.h>

#include <array>

#include "tests/data/example_dataset.h"
#include "tests/data/temporary_folder.h"

namespace temper {
namespace {

using testing_support::dataset_of;
using testing_support::dataset_with_targets;
using testing_support::dataset_with_token_classes;
using testing_support::error_of;
using Ints = std::vector<std::int32_t>;

TEST(Pack, PutsRowsOneBehindTheOther) {
  const std::array<std::int64_t, 2> rows = {2, 0};
  const Batch batch = pack(dataset_of({2, 1, 3}), rows);
  EXPECT_EQ(batch.ids, (Ints{103, 104, 105, 100, 101}));
  EXPECT_EQ(batch.types, (Ints{0, 1, 0, 0, 1}));
  EXPECT_EQ(batch.positions, (Ints{0, 1, 2, 0, 1}));
  EXPECT_EQ(batch.sequence_starts, (Ints{0, 3, 5}));
  EXPECT_EQ(batch.examples, (std::vector<std::uint32_t>{2, 0}));
  EXPECT_EQ(batch.classes, (Ints{2, 0}));
  EXPECT_EQ(batch.tokens(), 5);
  EXPECT_EQ(batch.sequences(), 2);
  EXPECT_EQ(batch.max_length(), 3);
}

TEST(Pack, TakesTargetsAndTokenClassesAlong) {
  const std::array<std::int64_t, 2> rows = {2, 0};
  const Batch targets = pack(dataset_with_targets({2, 1, 3}, 2), rows);
  EXPECT_EQ(targets.target_width, 2);
  EXPECT_EQ(targets.targets, (std::vector<float>{4, 5, 0, 1}));
  EXPECT_TRUE(targets.classes.empty());
  EXPECT_EQ(pack(dataset_with_token_classes({2, 1, 3}), rows).classes, (Ints{3, 4, 5, 0, 1}));
}

TEST(Pack, NoRowsGiveAnEmptyBatch) {
  const Batch batch = pack(dataset_of({2}), {});
  EXPECT_EQ(batch.sequence_starts, (Ints{0}));
  EXPECT_EQ(batch.tokens(), 0);
  EXPECT_EQ(batch.sequences(), 0);
  EXPECT_EQ(batch.max_length(), 0);
}

TEST(Pack, RefusesRowsThatAreNotThere) {
  const std::array<std::int64_t, 1> rows = {1};
  EXPECT_HAS(error_of([&] { pack(dataset_of({2}), rows); }), "row 1 was asked for, the dataset has 1");
}

}  // namespace
}  // namespace temper
