// f32 products in panels, on every instruction set (docs/performance.md, "Products in panels").
//
// The right operand is copied into panels of as many columns as a tile has, in the order in which they are read; the
// left one is read where it lies, or, transposed, from panels of as many of its columns as a tile has rows. While a
// tile of the result is summed up in registers (panel_tile-inl.h), what comes next is fetched into the cache, a line at
// a time (Goto, van de Geijn: "Anatomy of high-performance matrix multiplication", 2008).
#pragma once

#include <cstdint>
#include <functional>

#include "tensor/rows.h"

namespace temper {

/// A sum is put together from sums over so many elements of the inner dimension, one after another; a gradient of
/// weights (where the left operand is transposed) from shorter ones.
inline constexpr std::int64_t kPanelDepth = 512;
inline constexpr std::int64_t kPanelDepthOfWeightGradient = 256;

/// True where most f32 products of many rows are left to oneDNN: on AMD's processors with AVX-512, where it is up to 6
/// % faster. There, but not with AVX2, it adds up a row in the same order whatever the number of rows, if these have no
/// gaps between them.
bool onednn_takes_f32();

/// Called when rows [first, first + count) of a result are done, in the thread that computed them. It must not throw.
using RowsDone = std::function<void(std::int64_t first, std::int64_t count)>;

/// c (+)= op(a) op(b) + bias, f32, as calls::Matmul and calls::LinearForward say; b may be bf16, f16 or quantised,
/// which gives the bits of the same b in f32. bias: one row, or no data; none where a is transposed. Each element has
/// the same bits whatever the number of threads and of rows.
void multiply_in_panels(ConstMatrix a, bool transpose_a, ConstRows b, bool transpose_b, const float* bias, Matrix c,
                        bool accumulate, const RowsDone& done);

}  // namespace temper
