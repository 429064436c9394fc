// f32 products of many rows on processors whose vectors hold 16 floats and that leave oneDNN behind
// (docs/performance.md, "Products in panels").
//
// The right operand is copied into panels of 48 columns, in the order in which they are read; the left one is read
// where it lies, or, transposed, from panels of 8 of its columns. While a tile of 8 rows and 48 columns of the result
// is summed up in registers, what comes next is fetched into the cache, a line at a time (Goto, van de Geijn: "Anatomy
// of high-performance matrix multiplication", 2008).
#pragma once

#include <cstdint>
#include <functional>

#include "tensor/rows.h"

namespace temper {

/// A sum is put together from sums over so many elements of the inner dimension, one after another; a gradient of
/// weights (where the left operand is transposed) from shorter ones.
inline constexpr std::int64_t kPanelDepth = 512;
inline constexpr std::int64_t kPanelDepthOfWeightGradient = 256;

/// True where the processor can run products in panels, and where it also gains by them.
bool has_panels();
bool panels_pay();

/// Called when rows [first, first + count) of a result are done, in the thread that computed them. It must not throw.
using RowsDone = std::function<void(std::int64_t first, std::int64_t count)>;

/// c (+)= op(a) op(b) + bias, f32, as Kernels::matmul() and Kernels::linear_forward() say; bias: one row, or no data.
/// Only where has_panels(). Not for both operands transposed. Each element has the same bits whatever the number of
/// threads and of rows.
void multiply_in_panels(ConstMatrix a, bool transpose_a, ConstMatrix b, bool transpose_b, const float* bias, Matrix c,
                        bool accumulate, const RowsDone& done);

}  // namespace temper
