// f32 products of few rows: in layers above a selection of rows (one row per sequence), and in small batches. Each
// element of the weights takes part in few multiplications, so packing (reordering) the weights first, as oneDNN does,
// takes as long as the product. Here they are used in place, without packing; those in bf16, f16 or quantised are
// widened a block at a time.
#pragma once

#include <cstdint>

#include "tensor/rows.h"

namespace temper {

/// No more than so many.
inline constexpr std::int64_t kFewRows = 32;

/// c (+)= op(a) op(b) + bias, as calls::Matmul and calls::LinearForward say; bias: one row, or no data. All of
/// f32, or b of bf16, f16 or quantised, with the bits of the same b in f32. False, and nothing is done, where others
/// are as good, which types, shapes and the processor alone decide. Each element is one sum in the order of the inner
/// dimension, or of a and b^T, one of pieces (kPanelDepth), whatever the number of threads. A product of a and b^T
/// gives a row of a the bits that it has among many, and so does one of a and b over no more than 256 elements: what a
/// model makes of a text does not depend on how many others come with it.
bool multiply_few_rows(ConstRows a, bool transpose_a, ConstRows b, bool transpose_b, ConstRows bias, Rows c,
                       bool accumulate);

}  // namespace temper
