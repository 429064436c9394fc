// Losses of pairs of sequences that a language model has predicted token by token (tensor/calls/preference_loss.h).
#pragma once

#include "tensor/calls/logit_blocks.h"
#include "tensor/calls/preference_loss.h"
#include "tensor/tape.h"

namespace temper {

/// Whose tokens the rows of logits are: each two sequences are a pair, the preferred one first.
struct PreferencePairs {
  Tensor starts;      ///< i32 [2 pairs + 1], first rows of the sequences
  Tensor references;  ///< f64 [2 pairs], logarithms of their probabilities under the reference
};

/// From the losses f64 [rows] of the pairs' tokens to the weights f32 [rows] by which the gradients of these are that
/// of the pairs' loss; `sum` f64 [2] or [4] += as calls::PreferenceLoss has it, `measures` behind the first two. Throws
/// Error where starts and references do not go with pairs.
Tensor preference_weights(Tape& tape, const Tensor& losses, const PreferencePairs& pairs, const PreferenceTerms& terms,
                          const Tensor& sum);

/// The loss of pairs by the logits of all their tokens [rows, classes], which make way for their gradient where the
/// tape records. Every row has a label.
void preference_loss(Tape& tape, const Variable& logits, const Tensor& labels, const PreferencePairs& pairs,
                     const PreferenceTerms& terms, const Tensor& sum);

/// The same of x [rows, width] times weight [classes, width] (and bias, undefined: none), without logits of all rows
/// (tensor/ops/linear_cross_entropy.h). Where the rows do not fit into one block their logits are computed twice: the
/// weight of a pair is known only once all its rows have been met.
void linear_preference_loss(Tape& tape, const Variable& x, const Variable& weight, const Variable& bias,
                            const LogitShape& shape, const Tensor& labels, const PreferencePairs& pairs,
                            const PreferenceTerms& terms, const Tensor& sum);

}  // namespace temper
