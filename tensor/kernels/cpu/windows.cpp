// Convolutions by products: windows are copied side by side, which the product then reads from the cache, or, where
// that is less work, pixels are transformed (winograd.h).
#include <algorithm>
#include <cstddef>
#include <cstring>

#include "tensor/kernels/cpu/cpu_kernels.h"
#include "tensor/kernels/cpu/vector/parallel.h"
#include "tensor/kernels/cpu/winograd.h"

namespace temper {
namespace {

/// Where a place lies, by its number.
struct GridPlace {
  std::int64_t image;
  std::int64_t y;  ///< of the pixel of tap (0, 0); may be beyond an edge
  std::int64_t x;

  GridPlace(const WindowGrid& grid, std::int64_t place) {
    const std::int64_t line = place / grid.wide;
    image = line / grid.high;
    y = line % grid.high * grid.stride + grid.first_y;
    x = place % grid.wide * grid.stride + grid.first_x;
  }
};

/// Taps [begin, end) of a line of a window that starts at `first` lie inside [0, length).
struct TapsInside {
  std::int64_t begin;
  std::int64_t end;

  TapsInside(std::int64_t first, std::int64_t step, std::int64_t taps, std::int64_t length) {
    if (step > 0) {
      begin = first < 0 ? (-first + step - 1) / step : 0;
      end = first < length ? (length - 1 - first) / step + 1 : 0;
    } else {
      begin = first >= length ? (first - length) / -step + 1 : 0;
      end = first >= 0 ? first / -step + 1 : 0;
    }
    end = std::min(end, taps);
    begin = std::min(begin, end);
  }
};

void gather_window(const ConstRows& x, const WindowGrid& grid, std::int64_t place, std::byte* to) {
  const auto pixel_bytes = static_cast<std::size_t>(x.columns) * size_of(x.type);
  const GridPlace at(grid, place);
  const TapsInside inside(at.x, grid.step, grid.taps_wide, grid.width);
  const bool runs = grid.step == 1 && x.stride == x.columns;
  for (std::int64_t a = 0; a < grid.taps_high; ++a) {
    const std::int64_t line = at.y + a * grid.step;
    const bool exists = line >= 0 && line < grid.height;
    const std::int64_t begin = exists ? inside.begin : 0;
    const std::int64_t end = exists ? inside.end : 0;
    std::memset(to, 0, static_cast<std::size_t>(begin) * pixel_bytes);
    const std::int64_t row = (at.image * grid.height + line) * grid.width + at.x;
    if (runs && begin < end) {
      std::memcpy(to + static_cast<std::size_t>(begin) * pixel_bytes, x.at(row + begin, 0),
                  static_cast<std::size_t>(end - begin) * pixel_bytes);
    } else {
      for (std::int64_t b = begin; b < end; ++b)
        std::memcpy(to + static_cast<std::size_t>(b) * pixel_bytes, x.at(row + b * grid.step, 0), pixel_bytes);
    }
    std::memset(to + static_cast<std::size_t>(end) * pixel_bytes, 0,
                static_cast<std::size_t>(grid.taps_wide - end) * pixel_bytes);
    to += static_cast<std::size_t>(grid.taps_wide) * pixel_bytes;
  }
}

}  // namespace

void CpuKernels::run(const calls::GatherWindows& call) {
  (void)common_type(call.kKernel.name, call.x, call.y);
  if (call.x.rows != call.grid.pixels() || call.y.columns != call.grid.taps() * call.x.columns ||
      call.first + call.y.rows > call.grid.places())
    throw Error("gather_windows: {} rows of {} columns are not windows of {} taps over {} pixels of {}", call.y.rows,
                call.y.columns, call.grid.taps(), call.x.rows, call.x.columns);
  parallel_ranges(call.y.rows, call.y.columns, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      gather_window(call.x, call.grid, call.first + i, static_cast<std::byte*>(call.y.at(i, 0)));
  });
}

void CpuKernels::run(const calls::ScatterPlaces& call) {
  (void)common_type(call.kKernel.name, call.x);
  (void)common_type(call.kKernel.name, call.y);
  const WindowGrid& grid = call.grid;
  // A line of places at a time, whose pixels lie in steps of the stride.
  const std::int64_t end = call.first + call.x.rows;
  for (std::int64_t place = call.first; place < end;) {
    const std::int64_t count = std::min(grid.wide - place % grid.wide, end - place);
    const GridPlace at(grid, place);
    const std::int64_t row = (at.image * grid.height + at.y) * grid.width + at.x;
    const Rows line{call.y.at(row, 0), count, call.y.columns, call.y.stride * grid.stride, call.y.type};
    run(calls::Copy{.x = call.x.part(place - call.first, count), .y = line, .accumulate = call.accumulate});
    place += count;
  }
}

void CpuKernels::run(const calls::WindowProduct& call) {
  if (winograd_pays(call)) {
    run_by_winograd(call, *this);
  } else {
    call.run_parts(whole());
  }
}

void CpuKernels::run(const calls::WindowWeightGradient& call) {
  if (winograd_pays(call)) {
    run_by_winograd(call, *this);
  } else {
    call.run_parts(whole());
  }
}

}  // namespace temper
