// Layer and root-mean-square normalization (NormKind) with the dropout and the residual sum before it.
// Gradients and types are as tensor/ops.h says of all ops.
#pragma once

#include <cstdint>

#include "tensor/calls/layer_norm.h"
#include "tensor/random.h"
#include "tensor/tape.h"

namespace temper {

/// What a norm computes of a row.
struct NormShape {
  // NOLINTNEXTLINE(google-explicit-constructor): a number is the epsilon of a layer norm
  NormShape(float of_epsilon, NormKind of_kind = NormKind::layer, float offset = 0.0F)
      : epsilon(of_epsilon), kind(of_kind), weight_offset(offset) {}

  float epsilon;
  NormKind kind;
  float weight_offset;  ///< of a root-mean-square norm: added to each weight
};

/// norm(dropout(x) + residual); residual may be undefined. weight, bias [columns]; bias may be undefined. names
/// [rows] says which token each row is, for dropout.
Variable layer_norm(Tape& tape, const Variable& x, const Variable& residual, const Variable& weight,
                    const Variable& bias, const NormShape& shape, TokenKeys names = {}, const Dropout& dropout = {});

/// A sum, and its norm.
struct NormedSum {
  Variable sum;
  Variable normed;
};

/// sum = dropout(x) + residual, and its norm, in one pass, as blocks need it whose norm stands before a layer
/// while the sum goes on beside it. In the backward pass the two gradients of the sum are added in the norm's own pass.
NormedSum add_norm(Tape& tape, const Variable& x, const Variable& residual, const Variable& weight,
                   const Variable& bias, const NormShape& shape, TokenKeys names = {}, const Dropout& dropout = {});

/// The norm of each head by itself: x [rows, heads * head_width], weight [head_width], which all heads share, or
/// [heads, head_width].
Variable norm_heads(Tape& tape, const Variable& x, const Variable& weight, std::int64_t heads, const NormShape& shape);

}  // namespace temper
