// Layer normalization (Ba, Kiros, Hinton: "Layer normalization", 2016) with the dropout and the residual sum before it.
// Gradients and types are as tensor/ops.h says of all ops.
#pragma once

#include "tensor/random.h"
#include "tensor/tape.h"

namespace temper {

/// layer_norm(dropout(x) + residual); residual may be undefined. weight, bias [columns]; bias may be undefined. names
/// [rows] says which token each row is, for dropout.
Variable layer_norm(Tape& tape, const Variable& x, const Variable& residual, const Variable& weight,
                    const Variable& bias, float epsilon, TokenKeys names = {}, const Dropout& dropout = {});

/// A sum, and its norm.
struct NormedSum {
  Variable sum;
  Variable normed;
};

/// sum = dropout(x) + residual, and layer_norm(sum), in one pass, as blocks need it whose norm stands before a layer
/// while the sum goes on beside it. In the backward pass the two gradients of the sum are added in the norm's own pass.
NormedSum add_norm(Tape& tape, const Variable& x, const Variable& residual, const Variable& weight,
                   const Variable& bias, float epsilon, TokenKeys names = {}, const Dropout& dropout = {});

}  // namespace temper
