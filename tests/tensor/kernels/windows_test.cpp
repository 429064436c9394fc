#include <omp.h>

#include <cstring>

#include "tensor/device.h"
#include "tests/tensor/kernels/kernel_testing.h"
#include "tests/tensor/kernels/window_cases.h"

namespace temper {
namespace {

using testing_support::mirrored;
using testing_support::pixel_of_tap;
using testing_support::window_shapes;

class WindowsTest : public KernelTest {};
TEMPER_ON_EACH_INSTRUCTION_SET(WindowsTest);

/// All windows of x, [places, taps * c].
TestMatrix windows_of(const TestMatrix& x, const WindowGrid& grid) {
  TestMatrix y(grid.places(), grid.taps() * x.columns());
  for (std::int64_t place = 0; place < grid.places(); ++place)
    for (std::int64_t tap = 0; tap < grid.taps(); ++tap)
      for (std::int64_t c = 0; c < x.columns(); ++c) {
        const std::int64_t pixel = pixel_of_tap(grid, place, tap / grid.taps_wide, tap % grid.taps_wide);
        y(place, tap * x.columns() + c) = pixel < 0 ? 0.0F : x(pixel, c);
      }
  return y;
}

TEST_P(WindowsTest, LieSideBySideLineAfterLine) {
  for (const WindowShape& shape : window_shapes())
    for (const WindowGrid& grid : {shape.grid(), mirrored(shape.grid())})
      for (const std::int64_t gap : {0, 3}) {
        const auto x = TestMatrix::random(grid.pixels(), 5, 1, 5 + gap);
        const TestMatrix expected = windows_of(x, grid);
        const std::int64_t first = grid.places() / 3;
        TestMatrix y(grid.places() - first, grid.taps() * 5, grid.taps() * 5 + gap);
        kernels_.run(calls::GatherWindows{.x = x, .grid = grid, .first = first, .y = y});
        for (std::int64_t i = 0; i < y.rows(); ++i)
          for (std::int64_t j = 0; j < y.columns(); ++j) ASSERT_EQ(y(i, j), expected(first + i, j)) << i << ", " << j;
        EXPECT_TRUE(y.gaps_untouched());
      }
}

TEST_P(WindowsTest, PlacesAreWrittenBackWhereTheyWereTaken) {
  const WindowShape shape{.images = 2, .height = 5, .width = 7, .stride = 2};
  WindowGrid grid = shape.grid();
  const auto x = TestMatrix::random(grid.places(), 5, 1);
  for (const bool accumulate : {false, true}) {
    const auto before = TestMatrix::random(grid.pixels(), 5, 2);
    TestMatrix y = before;
    const std::int64_t half = grid.places() / 2 + 1;
    const ConstRows rows = x;
    kernels_.run(calls::ScatterPlaces{.x = rows.part(0, half), .grid = grid, .y = y, .accumulate = accumulate});
    kernels_.run(calls::ScatterPlaces{
        .x = rows.part(half, grid.places() - half), .grid = grid, .first = half, .y = y, .accumulate = accumulate});
    TestMatrix expected = before;
    for (std::int64_t place = 0; place < grid.places(); ++place)
      for (std::int64_t c = 0; c < 5; ++c) {
        float& to = expected(pixel_of_tap(grid, place, 0, 0), c);
        to = accumulate ? to + x(place, c) : x(place, c);
      }
    EXPECT_EQ(y.values(), expected.values());
  }
}

TEST_P(WindowsTest, ProductsAreThoseOfWindowsInMemory) {
  for (const WindowShape& shape : window_shapes()) {
    const WindowGrid grid = shape.grid();
    const auto x = TestMatrix::random(grid.pixels(), 6, 1);
    const TestMatrix windows = windows_of(x, grid);
    const auto weight = TestMatrix::random(9, grid.taps() * 6, 2);
    const auto turned = TestMatrix::random(grid.taps() * 6, 9, 3);
    const std::vector<float> bias{0, 1, 2, 3, 4, 5, 6, 7, 8};
    for (const std::int64_t room_rows : {3, 1000}) {
      TestMatrix room(room_rows, grid.taps() * 6);
      TestMatrix y(grid.places(), 9, 11);
      kernels_.run(
          calls::WindowProduct{.x = x, .grid = grid, .weight = weight, .bias = row_of(bias), .room = room, .y = y});
      std::vector<double> expected = product(windows, false, weight, true, y, false);
      for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += static_cast<double>(i % 9);
      expect_close(y.values(), expected, 1e-5);
      EXPECT_TRUE(y.gaps_untouched());
      for (const bool accumulate : {false, true}) {
        auto z = TestMatrix::random(grid.places(), 9, 4);
        const std::vector<double> sum = product(windows, false, turned, false, z, accumulate);
        kernels_.run(calls::WindowProduct{.x = x,
                                          .grid = grid,
                                          .weight = turned,
                                          .weight_is_transposed = true,
                                          .room = room,
                                          .y = z,
                                          .accumulate = accumulate});
        expect_close(z.values(), sum, 1e-5);
      }
      for (const bool accumulate : {false, true}) {
        const auto dz = TestMatrix::random(grid.places(), 9, 5);
        auto d_weight = TestMatrix::random(9, grid.taps() * 6, 6);
        std::vector<float> d_bias(9, 2.0F);
        const std::vector<double> sum = product(dz, true, windows, false, d_weight, accumulate);
        std::vector<double> bias_sum(9, accumulate ? 2.0 : 0.0);
        for (std::int64_t i = 0; i < dz.rows(); ++i)
          for (std::int64_t j = 0; j < 9; ++j) bias_sum[static_cast<std::size_t>(j)] += static_cast<double>(dz(i, j));
        kernels_.run(calls::WindowWeightGradient{.dz = dz,
                                                 .x = x,
                                                 .grid = grid,
                                                 .room = room,
                                                 .d_weight = d_weight,
                                                 .accumulate_weight = accumulate,
                                                 .d_bias = d_bias.data(),
                                                 .accumulate_bias = accumulate});
        expect_close(d_weight.values(), sum, 1e-5);
        expect_close(to_double(d_bias), bias_sum, 1e-5);
      }
    }
  }
}

// Maps and channels of which CPUs transform pixels instead of copying windows (winograd.h): tiles that end at an edge,
// vectors that are not full, more tiles than a block has.
TEST_P(WindowsTest, TransformedProductsAreThoseOfWindowsInMemory) {
  constexpr std::int64_t kIn = 67;
  constexpr std::int64_t kOut = 70;
  const std::vector<float> bias(static_cast<std::size_t>(kOut), 0.25F);
  const int threads = omp_get_max_threads();
  // The last one has more tiles than a block, once.
  const WindowShape small{2, 8, 11, 3, 3, 1, 1};
  const WindowShape bare{1, 11, 10, 3, 3, 1, 0};
  const WindowShape large{1, 46, 45, 3, 3, 1, 1};
  for (const WindowGrid& grid :
       {small.grid(), mirrored(small.grid()), bare.grid(), mirrored(bare.grid()), large.grid()}) {
    const auto x = TestMatrix::random(grid.pixels(), kIn, 1, kIn + 2);
    const TestMatrix windows = windows_of(x, grid);
    const auto weight = TestMatrix::random(kOut, 9 * kIn, 2, 9 * kIn + 1);
    const auto turned = TestMatrix::random(9 * kIn, kOut, 3);
    TestMatrix room(300, 9 * kIn);
    const auto multiply = [&](bool accumulate) {
      auto y = TestMatrix::random(grid.places(), kOut, 4, kOut + 3);
      kernels_.run(calls::WindowProduct{.x = x,
                                        .grid = grid,
                                        .weight = accumulate ? turned : weight,
                                        .weight_is_transposed = accumulate,
                                        .bias = accumulate ? ConstRows() : row_of(bias),
                                        .room = room,
                                        .y = y,
                                        .accumulate = accumulate});
      EXPECT_TRUE(y.gaps_untouched());
      return y;
    };
    const auto differentiate = [&](bool accumulate, std::vector<float>& d_bias) {
      const auto dz = TestMatrix::random(grid.places(), kOut, 5, kOut + 1);
      auto d_weight = TestMatrix::random(kOut, 9 * kIn, 6, 9 * kIn + 4);
      kernels_.run(calls::WindowWeightGradient{.dz = dz,
                                               .x = x,
                                               .grid = grid,
                                               .room = room,
                                               .d_weight = Rows(d_weight).as<float>(),
                                               .accumulate_weight = accumulate,
                                               .d_bias = d_bias.data(),
                                               .accumulate_bias = accumulate});
      EXPECT_TRUE(d_weight.gaps_untouched());
      return d_weight;
    };
    for (const bool accumulate : {false, true}) {
      if (accumulate && grid.places() > 1000) continue;
      const auto before = TestMatrix::random(grid.places(), kOut, 4);
      std::vector<double> expected =
          product(windows, false, accumulate ? turned : weight, !accumulate, before, accumulate);
      if (!accumulate)
        for (double& value : expected) value += 0.25;
      omp_set_num_threads(1);
      const TestMatrix y = multiply(accumulate);
      expect_close(y.values(), expected, 1e-5);

      const auto dz = TestMatrix::random(grid.places(), kOut, 5);
      const auto weight_before = TestMatrix::random(kOut, 9 * kIn, 6);
      std::vector<double> bias_sum(static_cast<std::size_t>(kOut), accumulate ? 2.0 : 0.0);
      for (std::int64_t i = 0; i < dz.rows(); ++i)
        for (std::int64_t j = 0; j < kOut; ++j) bias_sum[static_cast<std::size_t>(j)] += static_cast<double>(dz(i, j));
      std::vector<float> d_bias(static_cast<std::size_t>(kOut), 2.0F);
      const TestMatrix d_weight = differentiate(accumulate, d_bias);
      expect_close(d_weight.values(), product(dz, true, windows, false, weight_before, accumulate), 1e-5);
      expect_close(to_double(d_bias), bias_sum, 1e-5);

      omp_set_num_threads(3);
      EXPECT_EQ(multiply(accumulate).values(), y.values());
      EXPECT_EQ(differentiate(accumulate, d_bias).values(), d_weight.values());
      omp_set_num_threads(threads);
    }
  }
}

// What a model makes of an image does not depend on which others come with it, nor on how many windows lie in memory.
TEST_P(WindowsTest, AnImageHasTheBitsThatItHasAlone) {
  for (const std::int64_t channels : {3, 16, 200})
    for (const std::int64_t out : {7, 64}) {
      const WindowShape shape{
          .images = 5, .height = 9, .width = 10, .kernel_height = 3, .kernel_width = 3, .padding = 1};
      const WindowGrid grid = shape.grid();
      RoundedMatrix x(TestMatrix::random(grid.pixels(), channels, 1));
      RoundedMatrix weight(TestMatrix::random(out, 9 * channels, 2));
      const auto expect_bits = [&](ConstRows pixels, ConstRows weights) {
        const std::size_t row_bytes = static_cast<std::size_t>(out) * size_of(pixels.type);
        const auto run = [&](std::int64_t first, std::int64_t images, std::int64_t room_rows) {
          std::vector<std::byte> y(static_cast<std::size_t>(images * 90) * row_bytes);
          std::vector<float> room(static_cast<std::size_t>(room_rows * 9 * channels));
          WindowGrid own = grid;
          own.images = images;
          kernels_.run(calls::WindowProduct{.x = pixels.part(first * 90, images * 90),
                                            .grid = own,
                                            .weight = weights,
                                            .room = {room.data(), room_rows, 9 * channels, 9 * channels, pixels.type},
                                            .y = {y.data(), images * 90, out, out, pixels.type}});
          return y;
        };
        const std::vector<std::byte> together = run(0, 5, 1000);
        for (std::int64_t image = 0; image < 5; ++image) {
          const std::vector<std::byte> alone = run(image, 1, image % 2 == 0 ? 300 : 40);
          EXPECT_EQ(
              std::memcmp(alone.data(), together.data() + static_cast<std::size_t>(image) * alone.size(), alone.size()),
              0)
              << "image " << image << ", " << channels << " channels";
        }
      };
      expect_bits(ConstMatrix(x.values()), ConstMatrix(weight.values()));
      if (make_cpu_device()->has_bf16()) expect_bits(x.elements(), weight.elements());
    }
}

TEST_P(WindowsTest, RowsThatAreNoWindowsAreRefused) {
  const TestMatrix x(30, 4);
  TestMatrix y(12, 35);
  const WindowShape shape{.images = 1, .height = 5, .width = 6, .kernel_height = 3, .kernel_width = 3};
  EXPECT_THROW(kernels_.run(calls::GatherWindows{.x = x, .grid = shape.grid(), .y = y}), Error);
}

}  // namespace
}  // namespace temper
