#include <limits>

#include "tests/tensor/kernels/kernel_testing.h"
#include "tests/tensor/kernels/window_cases.h"

namespace temper {
namespace {

using testing_support::pixel_of_tap;

class PoolingTest : public KernelTest {};
TEMPER_ON_EACH_INSTRUCTION_SET(PoolingTest);

const std::vector<WindowShape> kPools{
    {2, 8, 9, 3, 3, 2, 1}, {1, 7, 6, 2, 2, 2, 0}, {2, 5, 5, 3, 3, 1, 1}, {1, 9, 7, 2, 3, 3, 1}};

struct Pooled {
  TestMatrix y;
  std::vector<std::uint8_t> winners;
};

Pooled naive(const TestMatrix& x, const WindowGrid& grid) {
  Pooled result{TestMatrix(grid.places(), x.columns()),
                std::vector<std::uint8_t>(static_cast<std::size_t>(grid.places() * x.columns()))};
  for (std::int64_t place = 0; place < grid.places(); ++place)
    for (std::int64_t c = 0; c < x.columns(); ++c) {
      float best = -std::numeric_limits<float>::infinity();
      for (std::int64_t tap = 0; tap < grid.taps(); ++tap) {
        const std::int64_t pixel = pixel_of_tap(grid, place, tap / grid.taps_wide, tap % grid.taps_wide);
        if (pixel < 0 || x(pixel, c) <= best) continue;
        best = x(pixel, c);
        result.winners[static_cast<std::size_t>(place * x.columns() + c)] = static_cast<std::uint8_t>(tap);
      }
      result.y(place, c) = best;
    }
  return result;
}

/// Few values, so that several are the largest.
TestMatrix steps_of(TestMatrix x) {
  for (std::int64_t i = 0; i < x.rows(); ++i)
    for (std::int64_t j = 0; j < x.columns(); ++j) x(i, j) = std::round(2.0F * x(i, j)) - 4.0F;
  return x;
}

TEST_P(PoolingTest, TheFirstOfTheLargestWins) {
  for (const WindowShape& shape : kPools)
    for (const std::int64_t columns : {1, 21, 64}) {
      const WindowGrid grid = shape.grid();
      const TestMatrix x = steps_of(TestMatrix::random(grid.pixels(), columns, 1, columns + 2));
      Pooled expected = naive(x, grid);
      TestMatrix y(grid.places(), columns, columns + 3);
      std::vector<std::uint8_t> winners(expected.winners.size());
      kernels_.run(calls::MaxPoolForward{.x = x, .grid = grid, .y = y, .winners = winners.data()});
      EXPECT_EQ(y.values(), expected.y.values());
      EXPECT_EQ(winners, expected.winners);
      EXPECT_TRUE(y.gaps_untouched());

      const auto dy = TestMatrix::random(grid.places(), columns, 2);
      TestMatrix dx(grid.pixels(), columns, columns + 1);
      kernels_.run(calls::MaxPoolBackward{.dy = dy, .winners = winners.data(), .grid = grid, .dx = dx});
      std::vector<double> sums(static_cast<std::size_t>(grid.pixels() * columns));
      for (std::int64_t place = 0; place < grid.places(); ++place)
        for (std::int64_t c = 0; c < columns; ++c) {
          const std::int64_t tap = winners[static_cast<std::size_t>(place * columns + c)];
          sums[static_cast<std::size_t>(
              pixel_of_tap(grid, place, tap / grid.taps_wide, tap % grid.taps_wide) * columns + c)] +=
              static_cast<double>(dy(place, c));
        }
      expect_close(dx.values(), sums, 1e-6);
      EXPECT_TRUE(dx.gaps_untouched());
    }
}

TEST_P(PoolingTest, OfBf16IsThatOfF32) {
  const WindowGrid grid = kPools.front().grid();
  RoundedMatrix x(TestMatrix::random(grid.pixels(), 21, 1));
  const Pooled expected = naive(x.values(), grid);
  std::vector<BFloat16> y(static_cast<std::size_t>(grid.places() * 21));
  std::vector<std::uint8_t> winners(y.size());
  kernels_.run(calls::MaxPoolForward{.x = x.elements(),
                                     .grid = grid,
                                     .y = MatrixOf<BFloat16>{y.data(), grid.places(), 21, 21},
                                     .winners = winners.data()});
  EXPECT_EQ(winners, expected.winners);
  for (std::int64_t i = 0; i < grid.places() * 21; ++i)
    EXPECT_EQ(to_float(y[static_cast<std::size_t>(i)]), expected.y(i / 21, i % 21));
  std::vector<BFloat16> dx(static_cast<std::size_t>(grid.pixels() * 21));
  TestMatrix dx_f32(grid.pixels(), 21);
  RoundedMatrix dy(TestMatrix::random(grid.places(), 21, 2));
  kernels_.run(calls::MaxPoolBackward{.dy = dy.values(), .winners = winners.data(), .grid = grid, .dx = dx_f32});
  kernels_.run(calls::MaxPoolBackward{.dy = dy.elements(),
                                      .winners = winners.data(),
                                      .grid = grid,
                                      .dx = MatrixOf<BFloat16>{dx.data(), grid.pixels(), 21, 21}});
  for (std::int64_t i = 0; i < grid.pixels() * 21; ++i)
    EXPECT_EQ(to_float(dx[static_cast<std::size_t>(i)]), to_float(to_bfloat16(dx_f32(i / 21, i % 21))));
}

TEST_P(PoolingTest, WhatIsNotANumberWins) {
  const WindowGrid grid =
      WindowShape{.images = 1, .height = 2, .width = 2, .kernel_height = 2, .kernel_width = 2}.grid();
  TestMatrix x(4, 1);
  for (std::int64_t i = 0; i < 4; ++i) x(i, 0) = static_cast<float>(i);
  x(1, 0) = std::numeric_limits<float>::quiet_NaN();
  TestMatrix y(1, 1);
  kernels_.run(calls::MaxPoolForward{.x = x, .grid = grid, .y = y});
  EXPECT_TRUE(std::isnan(y(0, 0)));
}

}  // namespace
}  // namespace temper
