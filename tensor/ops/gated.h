// Gated units. Gradients and types are as tensor/ops.h says of all ops.
#pragma once

#include "tensor/activation.h"
#include "tensor/tape.h"

namespace temper {

/// activation(gate) * value, of one shape (tensor/calls/gated.h): forward and backward are one pass each.
Variable gated(Tape& tape, const Variable& gate, const Variable& value, Activation activation);
/// Of the first and the second half of x [rows, 2 n], what one linear layer gives for both -> [rows, n] (GeGLU,
/// SwiGLU).
Variable gated(Tape& tape, const Variable& x, Activation activation);

}  // namespace temper
