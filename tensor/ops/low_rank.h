// What low-rank adapters are made of beside the products of all layers. Gradients and types are as tensor/ops.h says of
// all ops.
#pragma once

#include "tensor/tape.h"

namespace temper {

/// sum + x weight^T, in the memory of sum, whose value nobody may read afterwards: sum [rows, out] is the output of an
/// op whose backward does not read it, and no view; x [rows, in], weight [out, in].
Variable add_product(Tape& tape, const Variable& sum, const Variable& x, const Variable& weight);

/// x + bias, in the memory of x, of which the same holds as of sum above: bias [columns].
Variable add_bias(Tape& tape, const Variable& x, const Variable& bias);

/// Each row's length by the Euclidean norm, inverted: x f32 [rows, columns] -> f32 [rows]. `ones`: at least `columns`
/// of them, f32. Not recorded.
Tensor inverse_row_norms(Tape& tape, const Tensor& x, const Tensor& ones);

/// x with each column c times magnitudes[c] * inverse_norms[c]: x [rows, columns], magnitudes f32 [columns],
/// inverse_norms f32 [columns], a constant; `ones` as above. It is computed as x + x (factor - 1), so that in bf16 a
/// factor near 1 is not rounded to 1.
Variable scale_columns(Tape& tape, const Variable& x, const Variable& magnitudes, const Tensor& inverse_norms,
                       const Tensor& ones);

}  // namespace temper
