#include "tensor/row_groups.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <vector>

#include "base/error.h"
#include "tensor/device.h"

namespace temper {
namespace {

using Indices = std::vector<std::int32_t>;

TEST(GroupRows, OfNothingHasNoGroups) {
  const HostRowGroups groups = group_rows({});
  EXPECT_TRUE(groups.ids.empty());
  EXPECT_EQ(groups.piece_starts, Indices{0});
  EXPECT_EQ(groups.row_starts, Indices{0});
  EXPECT_TRUE(groups.order.empty());
}

TEST(GroupRows, PutsRowsOfOneIndexTogetherInTheirOrder) {
  const HostRowGroups groups = group_rows(Indices{5, 0, 5, 2, 5, 0});
  EXPECT_EQ(groups.ids, (Indices{0, 2, 5}));
  EXPECT_EQ(groups.piece_starts, (Indices{0, 1, 2, 3}));
  EXPECT_EQ(groups.row_starts, (Indices{0, 2, 3, 6}));
  EXPECT_EQ(groups.order, (Indices{1, 5, 3, 0, 2, 4}));
}

TEST(GroupRows, CutsAGroupIntoPieces) {
  constexpr auto kPiece = static_cast<std::int32_t>(RowGroups::kPiece);
  for (const std::int32_t rows : {1, kPiece - 1, kPiece, kPiece + 1, 2 * kPiece, 2 * kPiece + 1}) {
    Indices indices(static_cast<std::size_t>(rows), 9);
    indices.push_back(4);
    const HostRowGroups groups = group_rows(indices);
    const std::int32_t pieces = (rows + kPiece - 1) / kPiece;
    EXPECT_EQ(groups.ids, (Indices{4, 9}));
    EXPECT_EQ(groups.piece_starts, (Indices{0, 1, 1 + pieces})) << rows;
    Indices row_starts{0};
    for (std::int32_t begin = 0; begin < rows; begin += kPiece) row_starts.push_back(1 + begin);
    row_starts.push_back(1 + rows);
    EXPECT_EQ(groups.row_starts, row_starts) << rows;
    EXPECT_EQ(groups.order.front(), rows);
    for (std::int32_t i = 0; i < rows; ++i) ASSERT_EQ(groups.order[static_cast<std::size_t>(i) + 1], i);
  }
}

TEST(GroupRows, TakesTheLargestIndex) {
  constexpr std::int32_t kLargest = std::numeric_limits<std::int32_t>::max();
  EXPECT_EQ(group_rows(Indices{kLargest, 0, kLargest}).ids, (Indices{0, kLargest}));
}

TEST(GroupRows, HoldsEveryRowOnceWhateverTheIndices) {
  std::mt19937 engine(1);
  for (const int size : {1, 2, 100, 5000}) {
    for (const int range : {1, 2, 60, 10000}) {
      Indices indices;
      std::map<std::int32_t, Indices> expected;
      for (std::int32_t row = 0; row < size; ++row) {
        indices.push_back(static_cast<std::int32_t>(engine() % static_cast<unsigned>(range)));
        expected[indices.back()].push_back(row);
      }
      const HostRowGroups groups = group_rows(indices);
      ASSERT_EQ(groups.ids.size(), expected.size());
      ASSERT_EQ(groups.piece_starts.size(), expected.size() + 1);
      ASSERT_EQ(groups.piece_starts.front(), 0);
      ASSERT_EQ(groups.row_starts.front(), 0);
      ASSERT_EQ(groups.row_starts.back(), size);
      ASSERT_EQ(groups.piece_starts.back() + 1, static_cast<std::int32_t>(groups.row_starts.size()));
      std::size_t group = 0;
      for (const auto& [id, rows] : expected) {
        ASSERT_EQ(groups.ids[group], id);
        const auto first = static_cast<std::size_t>(groups.piece_starts[group]);
        const auto last = static_cast<std::size_t>(groups.piece_starts[++group]);
        ASSERT_EQ(
            Indices(groups.order.begin() + groups.row_starts[first], groups.order.begin() + groups.row_starts[last]),
            rows);
        for (std::size_t piece = first; piece < last; ++piece) {
          const std::int32_t in_piece = groups.row_starts[piece + 1] - groups.row_starts[piece];
          // Only the last piece of a group may be short.
          ASSERT_TRUE(in_piece == RowGroups::kPiece ||
                      (piece + 1 == last && in_piece > 0 && in_piece < RowGroups::kPiece));
        }
      }
    }
  }
}

TEST(RowGroups, PaddedHaveLengthsThatTheRowsAloneDecide) {
  for (const Indices& indices : {Indices{1, 2, 3, 4}, Indices{7, 7, 7, 7}, Indices{0, 9, 0, 9}}) {
    HostRowGroups groups = group_rows(indices);
    const HostRowGroups plain = groups;
    pad(groups);
    EXPECT_EQ(groups.ids.size(), 4U);
    EXPECT_EQ(groups.piece_starts.size(), 5U);
    EXPECT_EQ(groups.row_starts.size(), 5U);
    EXPECT_EQ(groups.counts, (Indices{static_cast<std::int32_t>(plain.ids.size()), plain.piece_starts.back()}));
    EXPECT_TRUE(std::equal(plain.ids.begin(), plain.ids.end(), groups.ids.begin()));
    EXPECT_TRUE(std::equal(plain.row_starts.begin(), plain.row_starts.end(), groups.row_starts.begin()));
  }
}

TEST(GroupedRows, CountWhatTheyHold) {
  const auto device = make_cpu_device();
  const auto on_device = [&](const Indices& values) {
    return device->upload(std::span<const std::int32_t>(values), {static_cast<std::int64_t>(values.size())});
  };
  for (const Indices& indices : {Indices{}, Indices{5, 0, 5}, Indices(130, 2)}) {
    const HostRowGroups host = group_rows(indices);
    const GroupedRows grouped{on_device(host.ids), on_device(host.piece_starts), on_device(host.row_starts),
                              on_device(host.order), Tensor()};
    const RowGroups groups = grouped.groups();
    EXPECT_EQ(groups.groups, static_cast<std::int64_t>(host.ids.size()));
    EXPECT_EQ(groups.pieces, host.piece_starts.back());
    EXPECT_EQ(groups.rows, static_cast<std::int64_t>(indices.size()));
    EXPECT_EQ(groups.row_starts[groups.pieces], static_cast<std::int32_t>(indices.size()));
    EXPECT_EQ(groups.piece_starts[groups.groups], groups.pieces);
  }
}

TEST(GroupedRows, OfATableThatIsNotTrainedCannotBeReadByMistake) { EXPECT_THROW((void)GroupedRows{}.groups(), Error); }

}  // namespace
}  // namespace temper
