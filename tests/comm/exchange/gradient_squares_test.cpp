#include "comm/exchange/gradient_squares.h"

#include <gtest/gtest.h>

#include <vector>

namespace temper {
namespace {

constexpr std::int64_t kTableRows = 90;
constexpr std::int64_t kTableWidth = 400;

class GradientSquaresTest : public testing::Test {
 protected:
  /// Zero but in these rows of the table, and beside it.
  [[nodiscard]] std::vector<float> gradient(const RowSet& live) const {
    std::vector<float> values(static_cast<std::size_t>(layout_.elements()));
    for (const ElementRange range : TablePlace(layout_, table_).live(live, {0, layout_.elements()}))
      for (std::int64_t i = range.begin; i < range.end; ++i)
        values[static_cast<std::size_t>(i)] = static_cast<float>(i * 31 % 257 - 128) * 1e-2F;
    return values;
  }
  /// Chunk by chunk, every element.
  std::vector<double> naive(const std::vector<float>& values) {
    std::vector<double> sums(static_cast<std::size_t>(layout_.chunks()));
    for (std::size_t c = 0; c < sums.size(); ++c)
      device_->kernels().run(
          calls::ChunkSquareSums{.x = values.data() + static_cast<std::int64_t>(c) * ArenaLayout::kChunk,
                                 .chunk = ArenaLayout::kChunk,
                                 .chunks = 1,
                                 .sums = &sums[c]});
    return sums;
  }
  std::vector<double> sums_of(const GradientSquares& squares, const std::vector<float>& values,
                              const SparseRows* rows) {
    std::vector<double> sums(static_cast<std::size_t>(layout_.chunks()), -1.0);
    squares.finish(values.data(), rows, sums.data());
    return sums;
  }

  std::unique_ptr<Device> device_ = make_cpu_device();
  ArenaLayout layout_{std::vector<std::int64_t>{1000, kTableRows* kTableWidth, 40'000}};
  SparseTable table_{1, kTableWidth, RowSet::all(kTableRows)};
  std::vector<ElementRange> all_{{0, layout_.elements()}};
};

TEST_F(GradientSquaresTest, OfLiveRowsHaveTheBitsOfAllElements) {
  GradientSquares squares(*device_, layout_, all_);
  SparseRows rows(layout_, table_);
  for (int step = 0; step < 2; ++step) {
    RowSet live(kTableRows);
    for (std::int64_t row = 4 * step; row < kTableRows; row += 8) live.insert(row);
    rows.learn(live);
    squares.begin_step();
    const std::vector<float> values = gradient(live);
    EXPECT_EQ(sums_of(squares, values, &rows), naive(values)) << "step " << step;
    EXPECT_EQ(sums_of(squares, values, nullptr), naive(values));
  }
}

TEST_F(GradientSquaresTest, ChunksWithoutALiveRowAreNotRead) {
  const GradientSquares squares(*device_, layout_, all_);
  const SparseRows rows(layout_, table_);
  const std::vector<double> sums = sums_of(squares, gradient(RowSet::all(kTableRows)), &rows);
  EXPECT_EQ(sums[1], 0.0) << "the table has all of this chunk";
  EXPECT_GT(sums.back(), 0.0);
}

TEST_F(GradientSquaresTest, WhatWasTakenIsNotTakenAgainInThatStep) {
  GradientSquares squares(*device_, layout_, all_);
  std::vector<float> values = gradient(RowSet::all(kTableRows));
  const std::vector<double> before = naive(values);
  squares.begin_step();
  squares.take(3, values.data() + 3 * ArenaLayout::kChunk);
  for (float& value : values) value *= 2.0F;
  std::vector<double> expected = naive(values);
  expected[3] = before[3];
  EXPECT_EQ(sums_of(squares, values, nullptr), expected);
  squares.begin_step();
  EXPECT_EQ(sums_of(squares, values, nullptr), naive(values));
}

TEST_F(GradientSquaresTest, ChunksOfOthersAreLeftAsTheyAre) {
  const GradientSquares squares(*device_, layout_, {{ArenaLayout::kChunk, 2 * ArenaLayout::kChunk}});
  const std::vector<double> sums = sums_of(squares, gradient(RowSet::all(kTableRows)), nullptr);
  for (std::size_t c = 0; c < sums.size(); ++c) EXPECT_EQ(sums[c] == -1.0, c != 1) << c;
}

}  // namespace
}  // namespace temper
