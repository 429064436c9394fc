// Passes over a block of logits, some rows by some classes of a vocabulary: what cross entropy needs of them, so that
// logits of all classes and all rows never lie in memory at once (tensor/ops/linear_cross_entropy.h).
//
// Note: the blocks of a row are met in the order of their classes, and each is summed by itself first, so a row's loss
// depends on where blocks end, and on nothing else.
#pragma once

#include <cstdint>

#include "tensor/calls/kernel_work.h"
#include "tensor/rows.h"

namespace temper {

/// What becomes of a product x of hidden state and output embedding: scale * x, and of that, with a soft cap c > 0,
/// c tanh(scale * x / c) (Gemma team: "Gemma 2", 2024, 2.2).
struct LogitShape {
  float scale = 1.0F;
  float soft_cap = 0.0F;
};

/// What the loss is besides the negative log-likelihood of the labels.
struct CrossEntropyTerms {
  float label_smoothing = 0.0F;  ///< share of the target that is spread over all classes
  float z_loss = 0.0F;           ///< times ln(sum of exponentials)^2 (Chowdhery et al.: "PaLM", 2022, 5)
  /// [rows] of the device: what a row's loss is multiplied by, and what it adds to the number that the sum is divided
  /// by; null: each is 1.
  const float* row_weights = nullptr;
};

/// What is known of a row of logits.
struct LogitRow {
  double sum;           ///< of e^(logit - largest)
  double total;         ///< of the logits
  float largest;        ///< logit
  float label;          ///< logit of the label, once its block was met
  std::int32_t best;    ///< class with the largest logit; of equals the first
  std::int32_t unused;  ///< fills the row up to four doubles
};
inline constexpr std::int64_t kLogitRowDoubles = sizeof(LogitRow) / sizeof(double);

namespace calls {

/// Logits f32 [rows, classes of the block]: comes as products and is left as logits, shape(product + bias). `bias` is
/// that of the block's classes (may be null). `statistics` [rows] are begun by the block of first_class 0 and go on
/// with the others, in order. Labels [rows] are of all classes; -100 is no label.
struct LogitStatistics {
  static constexpr KernelId kKernel{"logit_statistics", KernelClass::pass};
  Matrix logits;
  const float* bias = nullptr;
  LogitShape shape = {};
  std::int64_t first_class;
  const std::int32_t* labels;
  LogitRow* statistics;
  [[nodiscard]] KernelWork work() const;
};

/// The loss of rows whose logits have all been met: of each row, with z its logits and s = label_smoothing / classes,
///   loss = ln Z - (1 - label_smoothing) z[label] - s (sum of z) + z_loss (ln Z)^2,   ln Z = ln(sum of e^z)
/// `sum` f64 [2] += the losses in the order of the rows, each times its weight, and the weights; rows without a label
/// (-100) have none. `losses` [rows] (may be null) are the terms of that sum, `predicted` [rows] (may be null) the
/// classes with the largest logits.
struct LogitLoss {
  static constexpr KernelId kKernel{"logit_loss", KernelClass::pass};
  const LogitRow* statistics;
  const std::int32_t* labels;
  std::int64_t rows;
  std::int64_t classes;
  CrossEntropyTerms terms = {};
  double* sum;
  double* losses = nullptr;
  std::int32_t* predicted = nullptr;
  [[nodiscard]] KernelWork work() const;
};

/// The gradient of the sum of losses by the products that a block was made of. `logits` are those that LogitStatistics
/// left, and are overwritten. `gradient` [rows, classes of the block] may be `logits`, or is bf16.
struct LogitGradient {
  static constexpr KernelId kKernel{"logit_gradient", KernelClass::pass};
  Matrix logits;
  LogitShape shape = {};
  std::int64_t first_class;
  std::int64_t classes;  ///< of all blocks
  const std::int32_t* labels;
  const LogitRow* statistics;
  CrossEntropyTerms terms = {};
  Rows gradient;
  [[nodiscard]] KernelWork work() const;
};

}  // namespace calls
}  // namespace temper

/// EACH(Name) for each call of this file (tensor/kernels.h).
#define TEMPER_LOGIT_CALLS(EACH) EACH(LogitStatistics) EACH(LogitLoss) EACH(LogitGradient)
