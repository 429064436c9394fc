#include "tests/tensor/kernels/kernel_testing.h"

namespace temper {
namespace {

class NeighboursTest : public KernelTest {};
TEMPER_ON_EACH_INSTRUCTION_SET(NeighboursTest);

const std::vector<std::int32_t> kStarts{0, 4, 5, 5, 9};
const std::vector<std::int32_t> kLengths{3, 1, 0, 4};  // the first has a row behind it

PackedSequences sequences() {
  PackedSequences packed{9, 4, kStarts.data(), nullptr, 4};
  packed.lengths = kLengths.data();
  return packed;
}

bool is_room(std::int64_t row) { return row == 3; }

/// The row `steps` behind another in its sequence; -1 beyond its ends.
std::int64_t neighbour(std::int64_t row, std::int64_t steps) {
  for (std::size_t s = 0; s < kLengths.size(); ++s) {
    const std::int64_t end = kStarts[s] + kLengths[s];
    if (row < kStarts[s] || row >= end) continue;
    const std::int64_t other = row + steps;
    return other >= kStarts[s] && other < end ? other : -1;
  }
  return -1;
}

TEST_P(NeighboursTest, LieBesideEachTokenInTheOrderOfAConvolutionsWeight) {
  for (const std::int64_t span : {1, 3, 5, 9}) {
    const auto x = TestMatrix::random(9, 7, 1, 10);
    TestMatrix y(9, 7 * span, 7 * span + 2);
    kernels_.run(calls::GatherNeighbours{.x = x, .sequences = sequences(), .span = span, .y = y});
    for (std::int64_t row = 0; row < 9; ++row)
      for (std::int64_t c = 0; c < 7; ++c)
        for (std::int64_t o = 0; o < span; ++o) {
          const std::int64_t from = neighbour(row, o - span / 2);
          const float expected = is_room(row) ? TestMatrix::kUntouched : from < 0 ? 0.0F : x(from, c);
          ASSERT_EQ(y(row, c * span + o), expected) << "row " << row << ", column " << c << ", place " << o;
        }
    EXPECT_TRUE(y.gaps_untouched());
  }
}

TEST_P(NeighboursTest, TheWayBackIsTheTransposed) {
  for (const std::int64_t span : {1, 3, 5}) {
    const auto dy = TestMatrix::random(9, 7 * span, 1, 7 * span + 3);
    TestMatrix dx(9, 7, 9);
    kernels_.run(calls::AddNeighbours{.dy = dy, .sequences = sequences(), .span = span, .dx = dx});
    TestMatrix expected(9, 7);
    for (std::int64_t i = 0; i < 63; ++i) expected(i / 7, i % 7) = is_room(i / 7) ? TestMatrix::kUntouched : 0.0F;
    for (std::int64_t row = 0; row < 9; ++row)
      for (std::int64_t o = 0; o < span; ++o) {
        const std::int64_t to = neighbour(row, o - span / 2);
        for (std::int64_t c = 0; c < 7 && to >= 0; ++c) expected(to, c) += dy(row, c * span + o);
      }
    expect_close(dx.values(), expected.values(), 1e-6);
    EXPECT_TRUE(dx.gaps_untouched());
  }
}

TEST_P(NeighboursTest, OfBf16AreThoseOfF32Rounded) {
  RoundedMatrix x(TestMatrix::random(9, 7, 1));
  TestMatrix y(9, 21);
  kernels_.run(calls::GatherNeighbours{.x = x.values(), .sequences = sequences(), .span = 3, .y = y});
  std::vector<BFloat16> rounded(9 * 21, to_bfloat16(TestMatrix::kUntouched));
  kernels_.run(calls::GatherNeighbours{
      .x = x.elements(), .sequences = sequences(), .span = 3, .y = MatrixOf<BFloat16>{rounded.data(), 9, 21, 21}});
  for (std::int64_t i = 0; i < 9 * 21; ++i)
    EXPECT_EQ(to_float(rounded[static_cast<std::size_t>(i)]), is_room(i / 21) ? 12352.0F : y(i / 21, i % 21));
}

TEST_P(NeighboursTest, AnEvenNumberOfThemIsRefused) {
  const TestMatrix x(9, 7);
  TestMatrix y(9, 14);
  EXPECT_THROW(kernels_.run(calls::GatherNeighbours{.x = x, .sequences = sequences(), .span = 2, .y = y}), Error);
  EXPECT_THROW(kernels_.run(calls::AddNeighbours{.dy = x, .sequences = sequences(), .span = 3, .dx = y}), Error);
}

}  // namespace
}  // namespace temper
