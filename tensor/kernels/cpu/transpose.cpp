#include "tensor/kernels/cpu/vector_targets.h"
//
#include <algorithm>
#include <cstdint>

#include "tensor/kernels/cpu/parallel.h"
#include "tensor/kernels/cpu/transpose.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/cpu/transpose.cpp"
#include "hwy/foreach_target.h"
//
#include "hwy/highway.h"
#include "tensor/kernels/cpu/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {

/// Rows [begin, end) of x, in squares that the nearest cache holds.
void transpose_rows(ConstMatrix x, float* y, std::int64_t stride, std::int64_t begin, std::int64_t end) {
  constexpr std::int64_t kSquare = 64;
  for (std::int64_t row = begin; row < end; row += kSquare) {
    for (std::int64_t column = 0; column < x.columns; column += kSquare) {
      transpose(x.row(row) + column, x.stride, std::min(kSquare, end - row), std::min(kSquare, x.columns - column),
                y + column * stride + row, stride);
    }
  }
}

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper {

HWY_EXPORT(transpose_rows);

void transpose_matrix(ConstMatrix x, float* y, std::int64_t stride) {
  constexpr std::int64_t kGranule = 16;
  const auto turn = [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(transpose_rows)(x, y, stride, begin, end);
  };
  parallel_ranges(x.rows, x.columns, turn, kGranule);
}

}  // namespace temper
#endif  // HWY_ONCE
