// Grids of windows that the tests of convolutions and pooling go through.
#pragma once

#include <vector>

#include "tensor/ops/convolution.h"

namespace temper::testing_support {

/// Images of odd and of even sizes, windows that overlap, that touch and that leave gaps, with and without padding.
inline std::vector<WindowShape> window_shapes() {
  return {{2, 5, 7, 3, 3, 1, 1}, {2, 6, 5, 3, 3, 2, 1}, {1, 9, 8, 7, 7, 2, 3}, {3, 8, 8, 4, 4, 4, 0},
          {2, 7, 7, 2, 2, 2, 0}, {1, 8, 6, 1, 1, 2, 0}, {2, 7, 9, 2, 3, 3, 1}, {1, 6, 11, 7, 7, 1, 3}};
}

/// The row of the pixel that tap (a, b) of a place of the grid shows; -1 beyond the edges.
inline std::int64_t pixel_of_tap(const WindowGrid& grid, std::int64_t place, std::int64_t a, std::int64_t b) {
  const std::int64_t image = place / (grid.high * grid.wide);
  const std::int64_t y = place / grid.wide % grid.high * grid.stride + grid.first_y + a * grid.step;
  const std::int64_t x = place % grid.wide * grid.stride + grid.first_x + b * grid.step;
  if (y < 0 || y >= grid.height || x < 0 || x >= grid.width) return -1;
  return (image * grid.height + y) * grid.width + x;
}

/// The same seen from the other side: the place i of the other grid is a pixel, step is -1.
inline WindowGrid mirrored(WindowGrid grid) {
  grid.step = -1;
  grid.first_y += grid.taps_high - 1;
  grid.first_x += grid.taps_wide - 1;
  return grid;
}

}  // namespace temper::testing_support
