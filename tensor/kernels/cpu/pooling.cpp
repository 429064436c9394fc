// The largest of each window, and the way back to it. A place, or a pixel, is one thread's.
#include "tensor/kernels/cpu/vector/vector_targets.h"
//
#include <cstdint>

#include "tensor/kernels/cpu/cpu_kernels.h"
#include "tensor/kernels/cpu/vector/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/cpu/pooling.cpp"
#include "hwy/foreach_target.h"
//
#include "hwy/highway.h"
#include "tensor/kernels/cpu/vector/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {
namespace {

using Taps = hn::Rebind<std::uint8_t, Floats>;

template <typename T>
void max_pool_of(const calls::MaxPoolForward& call, std::int64_t begin, std::int64_t end) {
  const Floats d;
  const hn::RebindToSigned<Floats> di;
  const Taps taps;
  const auto x = call.x.as<T>();
  const auto y = call.y.as<T>();
  const WindowGrid& grid = call.grid;
  for (std::int64_t place = begin; place < end; ++place) {
    const std::int64_t line = place / grid.wide;
    const std::int64_t first_y = line % grid.high * grid.stride + grid.first_y;
    const std::int64_t first_x = place % grid.wide * grid.stride + grid.first_x;
    const std::int64_t image = line / grid.high * grid.height;
    const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
      auto best = hn::Zero(d);
      auto winner = hn::Zero(di);
      bool any = false;
      for (std::int64_t a = 0; a < grid.taps_high; ++a) {
        const std::int64_t row = first_y + a * grid.step;
        if (row < 0 || row >= grid.height) {
          continue;
        }
        for (std::int64_t b = 0; b < grid.taps_wide; ++b) {
          const std::int64_t column = first_x + b * grid.step;
          if (column < 0 || column >= grid.width) {
            continue;
          }
          const auto v = access.load(d, x.row((image + row) * grid.width + column) + i);
          const auto tap = hn::Set(di, static_cast<std::int32_t>(a * grid.taps_wide + b));
          if (!any) {
            best = v;
            winner = tap;
            any = true;
            continue;
          }
          const auto wins = hn::Or(hn::Gt(v, best), hn::IsNaN(v));
          best = hn::IfThenElse(wins, v, best);
          winner = hn::IfThenElse(hn::RebindMask(di, wins), tap, winner);
        }
      }
      access.store(best, d, y.row(place) + i);
      if (call.winners != nullptr) {
        access.store(hn::DemoteTo(taps, winner), taps, call.winners + place * y.columns + i);
      }
    };
    for_each_vector(d, y.columns, step);
  }
}

template <typename T>
void max_pool_backward_of(const calls::MaxPoolBackward& call, std::int64_t begin, std::int64_t end) {
  const Floats d;
  const hn::RebindToSigned<Floats> di;
  const Taps taps;
  const auto dy = call.dy.as<T>();
  const auto dx = call.dx.as<T>();
  const WindowGrid& grid = call.grid;
  for (std::int64_t pixel = begin; pixel < end; ++pixel) {
    const std::int64_t line = pixel / grid.width;
    const std::int64_t image = line / grid.height * grid.high;
    const std::int64_t from_y = line % grid.height - grid.first_y;
    const std::int64_t from_x = pixel % grid.width - grid.first_x;
    // Of the places whose windows have the pixel the first in each direction.
    const auto first_of = [&](std::int64_t from, std::int64_t count) {
      const std::int64_t reach = from - (count - 1);
      return reach <= 0 ? std::int64_t{0} : (reach + grid.stride - 1) / grid.stride;
    };
    const std::int64_t top = first_of(from_y, grid.taps_high);
    const std::int64_t left = first_of(from_x, grid.taps_wide);
    const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
      auto sum = hn::Zero(d);
      for (std::int64_t row = top; row < grid.high && row * grid.stride <= from_y; ++row) {
        for (std::int64_t column = left; column < grid.wide && column * grid.stride <= from_x; ++column) {
          const std::int64_t place = (image + row) * grid.wide + column;
          const std::int64_t tap = (from_y - row * grid.stride) * grid.taps_wide + from_x - column * grid.stride;
          const auto winner = hn::PromoteTo(di, access.load(taps, call.winners + place * dy.columns + i));
          const auto won = hn::RebindMask(d, hn::Eq(winner, hn::Set(di, static_cast<std::int32_t>(tap))));
          sum = hn::Add(sum, hn::IfThenElseZero(won, access.load(d, dy.row(place) + i)));
        }
      }
      access.store(sum, d, dx.row(pixel) + i);
    };
    for_each_vector(d, dx.columns, step);
  }
}

}  // namespace

void max_pool_rows(const calls::MaxPoolForward& call, std::int64_t begin, std::int64_t end) {
  (call.x.type == DType::bf16 ? max_pool_of<BFloat16> : max_pool_of<float>)(call, begin, end);
}

void max_pool_backward_rows(const calls::MaxPoolBackward& call, std::int64_t begin, std::int64_t end) {
  (call.dy.type == DType::bf16 ? max_pool_backward_of<BFloat16> : max_pool_backward_of<float>)(call, begin, end);
}

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper {

HWY_EXPORT(max_pool_rows);
HWY_EXPORT(max_pool_backward_rows);

void CpuKernels::run(const calls::MaxPoolForward& call) {
  (void)common_type(call.kKernel.name, call.x, call.y);
  if (call.grid.taps() > 256 || call.grid.step != 1)
    throw Error("max_pool: windows have {} taps and a step of {}, expected at most 256 and 1", call.grid.taps(),
                call.grid.step);
  parallel_ranges(call.y.rows, call.y.columns * call.grid.taps(), [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(max_pool_rows)(call, begin, end);
  });
}

void CpuKernels::run(const calls::MaxPoolBackward& call) {
  (void)common_type(call.kKernel.name, call.dy, call.dx);
  parallel_ranges(call.dx.rows, call.dx.columns * 4, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(max_pool_backward_rows)(call, begin, end);
  });
}

}  // namespace temper
#endif  // HWY_ONCE
