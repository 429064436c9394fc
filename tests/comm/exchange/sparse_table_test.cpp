#include "comm/exchange/sparse_table.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace temper {
namespace {

using Ranges = std::vector<ElementRange>;

/// Slot 1, rows of 10 from element 16 on: row r is [16 + 10 r, 26 + 10 r); 130 rows.
class TablePlaceTest : public testing::Test {
 protected:
  ArenaLayout layout_{std::vector<std::int64_t>{5, 1300, 7}};
  SparseTable table_{1, 10, RowSet(130)};
  TablePlace place_{layout_, table_};
  std::int64_t begin_ = layout_.slots()[1].begin;
  std::int64_t end_ = begin_ + 1300;
  ElementRange whole_{0, layout_.elements()};
  RowSet rows_{130};
};

TEST(RowSet, HoldsWhatWasInserted) {
  RowSet set(130);
  for (const std::int64_t row : {0, 63, 64, 129}) set.insert(row);
  EXPECT_EQ(set.count(), 4);
  EXPECT_TRUE(set.contains(63));
  EXPECT_FALSE(set.contains(62));
  RowSet other(130);
  other.insert(62);
  other.insert(129);
  set.insert_all_of(other);
  EXPECT_EQ(set.count(), 5);
  EXPECT_TRUE(set.contains(62));
  EXPECT_EQ(RowSet::all(130).count(), 130);
  EXPECT_EQ(set.words().size(), 3U);
  EXPECT_THROW(set.insert_all_of(RowSet(129)), Error);
}

TEST_F(TablePlaceTest, NeighbouringRowsAreOneRange) {
  for (const std::int64_t row : {3, 4, 63, 64, 129}) rows_.insert(row);
  EXPECT_EQ(place_.inside(rows_, whole_),
            (Ranges{{begin_ + 30, begin_ + 50}, {begin_ + 630, begin_ + 650}, {end_ - 10, end_}}));
  EXPECT_EQ(place_.live(rows_, whole_),
            (Ranges{{0, begin_}, {begin_ + 30, begin_ + 50}, {begin_ + 630, begin_ + 650}, {end_ - 10, whole_.end}}))
      << "what lies beside the table is one range with the last row";
}

TEST_F(TablePlaceTest, RowsAreCutWhereTheRangeEnds) {
  for (const std::int64_t row : {3, 4, 9}) rows_.insert(row);
  const ElementRange within{begin_ + 35, begin_ + 94};
  EXPECT_EQ(place_.inside(rows_, within), (Ranges{{begin_ + 35, begin_ + 50}, {begin_ + 90, begin_ + 94}}));
  EXPECT_EQ(place_.live(rows_, within), place_.inside(rows_, within));
}

TEST_F(TablePlaceTest, WithoutRowsOnlyWhatIsBesideTheTableLives) {
  EXPECT_TRUE(place_.inside(rows_, whole_).empty());
  EXPECT_EQ(place_.live(rows_, whole_), (Ranges{{0, begin_}, {end_, whole_.end}}));
  EXPECT_TRUE(place_.live(rows_, {begin_, end_}).empty());
  EXPECT_EQ(place_.live(rows_, {0, 5}), (Ranges{{0, 5}}));
  EXPECT_FALSE(place_.meets({0, begin_}));
  EXPECT_TRUE(place_.meets({end_ - 1, end_}));
}

TEST_F(TablePlaceTest, EveryRowMakesOneRangeOfAll) {
  EXPECT_EQ(place_.live(RowSet::all(130), whole_), (Ranges{whole_}));
}

TEST_F(TablePlaceTest, RefusesASlotThatIsNoSuchTable) {
  EXPECT_THROW(TablePlace(layout_, {0, 10, RowSet(130)}), Error);
  EXPECT_THROW(TablePlace(layout_, {3, 10, RowSet(130)}), Error);
  EXPECT_THROW(TablePlace(layout_, {1, 10, RowSet(131)}), Error);
}

TEST(Ranges, GapsAndTotals) {
  const Ranges ranges{{2, 4}, {7, 10}};
  EXPECT_EQ(between(ranges, {0, 12}), (Ranges{{0, 2}, {4, 7}, {10, 12}}));
  EXPECT_EQ(between(ranges, {2, 10}), (Ranges{{4, 7}}));
  EXPECT_EQ(between({}, {3, 5}), (Ranges{{3, 5}}));
  EXPECT_EQ(total_size(ranges), 5);
}

}  // namespace
}  // namespace temper
