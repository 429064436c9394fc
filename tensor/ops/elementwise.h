// Ops that compute each element by itself, and views. Gradients and types are as tensor/ops.h says of all ops.
#pragma once

#include <cstdint>

#include "tensor/random.h"
#include "tensor/tape.h"

namespace temper {

/// a + b, of one shape.
Variable add(Tape& tape, const Variable& a, const Variable& b);
/// dropout(x) + residual. names [rows] says which token each row is, for dropout.
Variable add(Tape& tape, const Variable& x, const Variable& residual, TokenKeys names, const Dropout& dropout);
/// a * b, of one shape.
Variable multiply(Tape& tape, const Variable& a, const Variable& b);
/// factor * x.
Variable scale(Tape& tape, const Variable& x, float factor);

/// Columns [first, first + count) of x: [rows, count], a view (Tape::view). Throws Error beyond the end.
Variable columns(Tape& tape, const Variable& x, std::int64_t first, std::int64_t count);
/// Rows [first, first + count) of x, a view: of the weight of a linear layer, the part that gives these outputs.
Variable rows(Tape& tape, const Variable& x, std::int64_t first, std::int64_t count);

/// Zeroes elements at random and scales the others (Srivastava et al., 2014). Returns x itself where inactive.
Variable dropout(Tape& tape, const Variable& x, TokenKeys names, const Dropout& dropout);

}  // namespace temper
