#include "data/packed_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "base/counter_random.h"

namespace temper {
namespace {

/// Rows of these lengths, whose tokens are 0, 1, 2, ...
TokenStore store_of(const std::vector<std::int64_t>& lengths) {
  TokenRows rows;
  for (const std::int64_t length : lengths) rows.starts.push_back(rows.starts.back() + length);
  rows.ids.resize(static_cast<std::size_t>(rows.starts.back()));
  std::iota(rows.ids.begin(), rows.ids.end(), 0);
  rows.types.assign(rows.ids.size(), 0);
  return TokenStore(std::move(rows));
}

TEST(PackedRows, EveryRowIsInOnePackAndNoPackIsTooLong) {
  CounterRandom random({7, 1, 0});
  std::vector<std::int64_t> lengths(70'000);
  for (std::int64_t& length : lengths) {
    const auto drawn = static_cast<std::int64_t>(random.below(400)) + 1;
    length = std::min<std::int64_t>(512, drawn * drawn / 200 + 1);
  }
  const TokenStore store = store_of(lengths);
  const RowPacks packs = pack_rows(store.starts(), 512);
  std::vector<std::uint32_t> seen = packs.rows;
  std::sort(seen.begin(), seen.end());
  ASSERT_EQ(seen.size(), lengths.size());
  for (std::size_t row = 0; row < seen.size(); ++row) ASSERT_EQ(seen[row], row);
  for (std::size_t pack = 1; pack < packs.starts.size(); ++pack) {
    std::int64_t tokens = 0;
    for (std::int64_t i = packs.starts[pack - 1]; i < packs.starts[pack]; ++i)
      tokens += lengths[packs.rows[static_cast<std::size_t>(i)]];
    ASSERT_LE(tokens, 512);
  }
  EXPECT_GE(PackedRows(store, 512).fill(), 0.98);
  EXPECT_EQ(packs, pack_rows(store.starts(), 512));
}

TEST(PackedRows, PacksOfSomeRowsCallThemAsTheStoreDoes) {
  const TokenStore store = store_of({9, 3, 5, 2, 4, 9});
  const PackedRows packed(store, 7, 1, 4);
  ASSERT_EQ(packed.rows(), 2) << "5 + 2 and 4 + 3";
  const std::vector<std::int64_t> all{0, 1};
  const Batch batch = packed.read(all, 0);
  EXPECT_EQ(batch.examples, (std::vector<std::uint32_t>{2, 3, 1, 4}));
  EXPECT_EQ(batch.text().ids.front(), 12);
  EXPECT_EQ(packed.cost(0) + packed.cost(1), 14);
  EXPECT_DOUBLE_EQ(packed.fill(), 1.0);
}

TEST(PackedRows, SequencesKeepTheirNamesAndPositions) {
  TokenStore store = store_of({3, 5, 2, 4});
  store.label_with_next_tokens();
  const PackedRows packed(store, 7);
  ASSERT_EQ(packed.rows(), 2) << "5 + 2 and 4 + 3";
  const std::vector<std::int64_t> first{0};
  const Batch batch = packed.read(first, 0);
  EXPECT_EQ(batch.examples, (std::vector<std::uint32_t>{1, 2}));
  EXPECT_EQ(batch.sequence_starts, (std::vector<std::int32_t>{0, 5, 7}));
  EXPECT_EQ(batch.positions, (std::vector<std::int32_t>{0, 1, 2, 3, 4, 0, 1}));
  EXPECT_EQ(batch.classes, (std::vector<std::int32_t>{4, 5, 6, 7, kUnlabelled, 9, kUnlabelled}))
      << "nothing predicts across sequences";
  EXPECT_EQ(packed.cost(0), 7);
  EXPECT_EQ(packed.cost(1), 7);
}

TEST(PackedRows, RefusesARowThatFitsNowhere) { EXPECT_ANY_THROW(pack_rows(store_of({3, 8}).starts(), 7)); }

}  // namespace
}  // namespace temper
