// Depthwise convolutions: a vector of channels of several places of a line at once, so that each weight that is loaded
// is used for all of them. A line of places is one thread's.
#include "tensor/kernels/cpu/vector/vector_targets.h"
//
#include <algorithm>
#include <cstdint>

#include "tensor/kernels/cpu/cpu_kernels.h"
#include "tensor/kernels/cpu/vector/column_sums.h"
#include "tensor/kernels/cpu/vector/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/cpu/depthwise.cpp"
#include "hwy/foreach_target.h"
//
#include "hwy/highway.h"
#include "tensor/kernels/cpu/vector/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {
namespace {

/// Places that are computed together.
constexpr int kPlacesTogether = 4;
/// Taps of a line of a window whose gradients are summed together.
constexpr int kTapsTogether = 8;

/// A line of places: where its image's lines of pixels are, and which of them tap a reads.
struct PlaceLine {
  std::int64_t image;    ///< its first line of pixels
  std::int64_t first_y;  ///< of tap (0, .)
  std::int64_t place;    ///< the first of the line

  PlaceLine(const WindowGrid& grid, std::int64_t line)
      : image(line / grid.high * grid.height),
        first_y(line % grid.high * grid.stride + grid.first_y),
        place(line * grid.wide) {}
};

/// Sums of places [column, column + kCount) of a line, of channels i and those behind.
template <int kCount, typename T, class Access>
HWY_INLINE void depthwise_places(const calls::DepthwiseForward& call, const PlaceLine& line, std::int64_t column,
                                 Access access, std::int64_t i) {
  const Floats d;
  const auto x = call.x.as<T>();
  const auto y = call.y.as<T>();
  const WindowGrid& grid = call.grid;
  FloatVector sums[kCount];
  for (int n = 0; n < kCount; ++n) sums[n] = call.bias == nullptr ? hn::Zero(d) : access.load(d, call.bias + i);
  const std::int64_t left = column * grid.stride + grid.first_x;
  // With all taps of all places inside, nothing needs to be asked.
  const std::int64_t reach = (grid.taps_wide - 1) * grid.step;
  const std::int64_t right = left + (kCount - 1) * grid.stride;
  const bool inside = std::min(left, left + reach) >= 0 && std::max(right, right + reach) < grid.width;
  for (std::int64_t a = 0; a < grid.taps_high; ++a) {
    const std::int64_t row = line.first_y + a * grid.step;
    if (row < 0 || row >= grid.height) continue;
    const std::int64_t first_pixel = (line.image + row) * grid.width;
    const float* weights = call.weight + a * grid.taps_wide * y.columns + i;
    for (std::int64_t b = 0; b < grid.taps_wide; ++b) {
      const auto weight = access.load(d, weights + b * y.columns);
      const std::int64_t from = left + b * grid.step;
      for (int n = 0; n < kCount; ++n) {
        const std::int64_t at = from + n * grid.stride;
        if (!inside && (at < 0 || at >= grid.width)) continue;
        sums[n] = hn::MulAdd(access.load(d, x.row(first_pixel + at) + i), weight, sums[n]);
      }
    }
  }
  for (int n = 0; n < kCount; ++n) {
    T* to = y.row(line.place + column + n) + i;
    access.store(call.accumulate ? hn::Add(access.load(d, to), sums[n]) : sums[n], d, to);
  }
}

template <typename T>
void depthwise_lines_of(const calls::DepthwiseForward& call, std::int64_t begin, std::int64_t end) {
  const Floats d;
  const WindowGrid& grid = call.grid;
  for (std::int64_t l = begin; l < end; ++l) {
    const PlaceLine line(grid, l);
    const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
      std::int64_t column = 0;
      for (; column + kPlacesTogether <= grid.wide; column += kPlacesTogether)
        depthwise_places<kPlacesTogether, T>(call, line, column, access, i);
      for (; column < grid.wide; ++column) depthwise_places<1, T>(call, line, column, access, i);
    };
    for_each_vector(d, call.y.columns, step);
  }
}

/// Adds what lines [begin, end) of places give to sums [taps, c], and to bias_sums [c] where there are such.
template <typename T>
void depthwise_gradient_of(const calls::DepthwiseWeightGradient& call, float* sums, float* bias_sums,
                           std::int64_t begin, std::int64_t end) {
  const Floats d;
  const auto x = call.x.as<T>();
  const auto dy = call.dy.as<T>();
  const WindowGrid& grid = call.grid;
  for (std::int64_t l = begin; l < end; ++l) {
    const PlaceLine line(grid, l);
    const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
      for (std::int64_t a = 0; a < grid.taps_high; ++a) {
        const std::int64_t row = line.first_y + a * grid.step;
        if (row < 0 || row >= grid.height) continue;
        const std::int64_t first_pixel = (line.image + row) * grid.width;
        for (std::int64_t b = 0; b < grid.taps_wide; b += kTapsTogether) {
          const auto together = static_cast<int>(std::min<std::int64_t>(kTapsTogether, grid.taps_wide - b));
          FloatVector totals[kTapsTogether];
          for (int n = 0; n < kTapsTogether; ++n) totals[n] = hn::Zero(d);
          for (std::int64_t column = 0; column < grid.wide; ++column) {
            const auto g = access.load(d, dy.row(line.place + column) + i);
            const std::int64_t left = column * grid.stride + grid.first_x + b * grid.step;
            for (int n = 0; n < together; ++n) {
              const std::int64_t at = left + n * grid.step;
              if (at < 0 || at >= grid.width) continue;
              totals[n] = hn::MulAdd(access.load(d, x.row(first_pixel + at) + i), g, totals[n]);
            }
          }
          float* to = sums + (a * grid.taps_wide + b) * dy.columns + i;
          for (int n = 0; n < together; ++n, to += dy.columns)
            access.store(hn::Add(access.load(d, to), totals[n]), d, to);
        }
      }
      if (bias_sums != nullptr) {
        auto total = hn::Zero(d);
        for (std::int64_t column = 0; column < grid.wide; ++column)
          total = hn::Add(total, access.load(d, dy.row(line.place + column) + i));
        access.store(hn::Add(access.load(d, bias_sums + i), total), d, bias_sums + i);
      }
    };
    for_each_vector(d, dy.columns, step);
  }
}

}  // namespace

void depthwise_lines(const calls::DepthwiseForward& call, std::int64_t begin, std::int64_t end) {
  (call.x.type == DType::bf16 ? depthwise_lines_of<BFloat16> : depthwise_lines_of<float>)(call, begin, end);
}

void depthwise_gradient_lines(const calls::DepthwiseWeightGradient& call, float* sums, float* bias_sums,
                              std::int64_t begin, std::int64_t end) {
  (call.x.type == DType::bf16 ? depthwise_gradient_of<BFloat16> : depthwise_gradient_of<float>)(call, sums, bias_sums,
                                                                                                begin, end);
}

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper {

HWY_EXPORT(depthwise_lines);
HWY_EXPORT(depthwise_gradient_lines);

void CpuKernels::run(const calls::DepthwiseForward& call) {
  (void)common_type(call.kKernel.name, call.x, call.y);
  const std::int64_t lines = call.grid.images * call.grid.high;
  parallel_ranges(lines, call.grid.wide * call.y.columns * call.grid.taps(), [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(depthwise_lines)
    (call, begin, end);
  });
}

void CpuKernels::run(const calls::DepthwiseWeightGradient& call) {
  (void)common_type(call.kKernel.name, call.x, call.dy);
  const std::int64_t lines = call.grid.images * call.grid.high;
  ColumnSums sums(lines, call.grid.taps() * call.dy.columns, true);
  ColumnSums bias_sums(lines, call.dy.columns, call.d_bias != nullptr);
  const std::int64_t block_lines = ColumnSums::block_rows(lines);
  parallel_ranges(ColumnSums::blocks(lines), block_lines * call.grid.wide * call.dy.columns * call.grid.taps(),
                  [&](std::int64_t first, std::int64_t last) {
                    for (std::int64_t block = first; block < last; ++block) {
                      HWY_DYNAMIC_DISPATCH(depthwise_gradient_lines)
                      (call, sums.block(block), bias_sums.block(block), block * block_lines,
                       std::min(lines, (block + 1) * block_lines));
                    }
                  });
  sums.write(call.d_weight, call.accumulate_weight);
  bias_sums.write(call.d_bias, call.accumulate_bias);
}

}  // namespace temper
#endif  // HWY_ONCE
