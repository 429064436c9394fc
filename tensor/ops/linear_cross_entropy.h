// The output layer of a language model and its loss in one: logits are made a block at a time, and their gradient takes
// their place before the next are made, so those of all tokens and all words never lie in memory together.
#pragma once

#include <cstdint>

#include "tensor/calls/logit_blocks.h"
#include "tensor/tape.h"

namespace temper {

/// What is told of each row, where it is wanted; undefined tensors are not.
struct RowLosses {
  Tensor losses = {};     ///< f64 [rows]; 0 of a row without a label
  Tensor predicted = {};  ///< i32 [rows]: the class with the largest logit; of equals the first
};

/// How logits are cut, whatever the number of threads.
struct LogitBlocks {
  std::int64_t rows;     ///< at most so many at once
  std::int64_t classes;  ///< of a block

  /// `keeps`: those of all classes are kept, for the gradient.
  static LogitBlocks of(std::int64_t rows, std::int64_t classes, bool keeps, bool on_host);
};

/// The softmax cross entropy of shape(x weight^T + bias) against labels: x [rows, width], weight [classes, width], bias
/// [classes] (may be undefined), labels i32 [rows], -100 where a row does not count. Adds the loss and the number of
/// rows that count to `sum` f64 [2], as cross_entropy does, to which it is equal but for rounding; logits are f32
/// whatever the type of x. Gradients of the sum are written at once, and Tape::backward may follow.
///
/// Of a pass that is not recorded no logits are kept at all.
void linear_cross_entropy(Tape& tape, const Variable& x, const Variable& weight, const Variable& bias,
                          const LogitShape& shape, const Tensor& labels, const CrossEntropyTerms& terms,
                          const Tensor& sum, const RowLosses& of_rows = {});

/// The same of logits [rows, classes] that are there, in a pass that is not recorded.
void row_cross_entropy(Tape& tape, const Variable& logits, const Tensor& labels, const CrossEntropyTerms& terms,
                       const Tensor& sum, const RowLosses& of_rows);

}  // namespace temper
