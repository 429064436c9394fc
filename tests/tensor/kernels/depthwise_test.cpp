#include "tests/tensor/kernels/kernel_testing.h"
#include "tests/tensor/kernels/window_cases.h"

namespace temper {
namespace {

using testing_support::mirrored;
using testing_support::pixel_of_tap;
using testing_support::window_shapes;

class DepthwiseTest : public KernelTest {};
TEMPER_ON_EACH_INSTRUCTION_SET(DepthwiseTest);

/// Calls visit(place, tap, pixel) for each tap that shows a pixel.
template <typename Visit>
void for_each_tap(const WindowGrid& grid, const Visit& visit) {
  for (std::int64_t place = 0; place < grid.places(); ++place)
    for (std::int64_t tap = 0; tap < grid.taps(); ++tap)
      if (const std::int64_t pixel = pixel_of_tap(grid, place, tap / grid.taps_wide, tap % grid.taps_wide); pixel >= 0)
        visit(place, tap, pixel);
}

TEST_P(DepthwiseTest, EachChannelHasAKernelOfItsOwn) {
  for (const WindowShape& shape : window_shapes())
    for (const WindowGrid& grid : {shape.grid(), mirrored(shape.grid())})
      for (const std::int64_t columns : {1, 19, 32}) {
        const auto x = TestMatrix::random(grid.pixels(), columns, 1, columns + 1);
        const auto weight = TestMatrix::random(grid.taps(), columns, 2);
        const auto bias = TestMatrix::random(1, columns, 3);
        for (const bool accumulate : {false, true}) {
          auto y = TestMatrix::random(grid.places(), columns, 4, columns + 2);
          TestMatrix expected = y;
          for (std::int64_t i = 0; i < y.rows(); ++i)
            for (std::int64_t c = 0; c < columns; ++c) expected(i, c) = (accumulate ? y(i, c) : 0.0F) + bias(0, c);
          for_each_tap(grid, [&](std::int64_t place, std::int64_t tap, std::int64_t pixel) {
            for (std::int64_t c = 0; c < columns; ++c) expected(place, c) += weight(tap, c) * x(pixel, c);
          });
          kernels_.run(calls::DepthwiseForward{
              .x = x, .grid = grid, .weight = weight.data(), .bias = bias.data(), .y = y, .accumulate = accumulate});
          expect_close(y.values(), expected.values(), 3e-6);
        }
        const auto dy = TestMatrix::random(grid.places(), columns, 5);
        for (const bool accumulate : {false, true}) {
          auto d_weight = TestMatrix::random(grid.taps(), columns, 6);
          auto d_bias = TestMatrix::random(1, columns, 7);
          std::vector<double> sums = d_weight.values();
          std::vector<double> bias_sums = d_bias.values();
          if (!accumulate) std::fill(sums.begin(), sums.end(), 0.0);
          if (!accumulate) std::fill(bias_sums.begin(), bias_sums.end(), 0.0);
          for_each_tap(grid, [&](std::int64_t place, std::int64_t tap, std::int64_t pixel) {
            for (std::int64_t c = 0; c < columns; ++c)
              sums[static_cast<std::size_t>(tap * columns + c)] +=
                  static_cast<double>(dy(place, c)) * static_cast<double>(x(pixel, c));
          });
          for (std::int64_t i = 0; i < dy.rows(); ++i)
            for (std::int64_t c = 0; c < columns; ++c)
              bias_sums[static_cast<std::size_t>(c)] += static_cast<double>(dy(i, c));
          kernels_.run(calls::DepthwiseWeightGradient{.dy = dy,
                                                      .x = x,
                                                      .grid = grid,
                                                      .d_weight = d_weight.data(),
                                                      .accumulate_weight = accumulate,
                                                      .d_bias = d_bias.data(),
                                                      .accumulate_bias = accumulate});
          expect_close(d_weight.values(), sums, 1e-5);
          expect_close(d_bias.values(), bias_sums, 1e-5);
        }
      }
}

TEST_P(DepthwiseTest, OfBf16IsThatOfF32Rounded) {
  const WindowGrid grid = window_shapes().back().grid();
  RoundedMatrix x(TestMatrix::random(grid.pixels(), 21, 1));
  const auto weight = TestMatrix::random(grid.taps(), 21, 2);
  TestMatrix y(grid.places(), 21);
  kernels_.run(calls::DepthwiseForward{.x = x.values(), .grid = grid, .weight = weight.data(), .y = y});
  std::vector<BFloat16> rounded(static_cast<std::size_t>(grid.places() * 21));
  kernels_.run(calls::DepthwiseForward{.x = x.elements(),
                                       .grid = grid,
                                       .weight = weight.data(),
                                       .y = MatrixOf<BFloat16>{rounded.data(), grid.places(), 21, 21}});
  for (std::int64_t i = 0; i < grid.places() * 21; ++i)
    EXPECT_EQ(to_float(rounded[static_cast<std::size_t>(i)]), to_float(to_bfloat16(y(i / 21, i % 21))));
}

}  // namespace
}  // namespace temper
