// Where windows lie over images (WindowGrid in tensor/calls/windows.h), for threads.
#pragma once

#include "tensor/calls/windows.h"
#include "tensor/kernels/cuda/element.cuh"

namespace temper {

/// A place of a grid.
struct WindowPlace {
  std::int64_t image;
  std::int64_t y;  ///< of the pixel of tap (0, 0); may be beyond an edge
  std::int64_t x;
};

__device__ inline WindowPlace place_of(const WindowGrid& grid, std::int64_t place) {
  const std::int64_t line = place / grid.wide;
  return {line / grid.high, line % grid.high * grid.stride + grid.first_y,
          place % grid.wide * grid.stride + grid.first_x};
}

/// The row of the pixel of tap (a, b); below 0 beyond the edges.
__device__ inline std::int64_t pixel_of(const WindowGrid& grid, const WindowPlace& at, std::int64_t a, std::int64_t b) {
  const std::int64_t y = at.y + a * grid.step;
  const std::int64_t x = at.x + b * grid.step;
  if (y < 0 || y >= grid.height || x < 0 || x >= grid.width) return -1;
  return (at.image * grid.height + y) * grid.width + x;
}

}  // namespace temper
