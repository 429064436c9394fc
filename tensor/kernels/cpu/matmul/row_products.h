// Products of rows that come in any number, of a few texts' next tokens say, and must not tell how many there were.
// They are bound by the memory of the weights, which are read once, in the order in which they lie.
#pragma once

#include "tensor/rows.h"

namespace temper {

/// c = a b^T + bias: a [rows, in], b [out, in] and bias [1, out] (or no data) of one type, f32 or bf16, c of theirs or
/// f32; or b in bf16, f16 or quantised and the others in f32. An element is summed in f32, as so many sums as a vector
/// has lanes, along the inner dimension, which are then added; whatever the numbers of rows and of threads.
void multiply_row_by_row(ConstRows a, ConstRows b, ConstRows bias, Rows c);

}  // namespace temper
