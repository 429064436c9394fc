// Losses. Each is added to sum [2] as a sum and what it has to be divided by: a count, or a sum of class weights.
#pragma once

#include <cstdint>

#include "tensor/calls/kernel_work.h"
#include "tensor/rows.h"

namespace temper::calls {

/// Softmax cross entropy of logits [rows, classes] against labels [rows] (-100: not counted), with class weights
/// [classes] (may be null) and label smoothing in [0, 1) as torch.nn.functional.cross_entropy defines both;
/// and z_loss times ln(sum of exponentials)^2, times the weight of the label (CrossEntropyTerms in logit_blocks.h).
/// All of a row's loss, and of what it is divided by, counts row_weights [rows] times (may be null).
/// The sum is not divided. d_logits (data may be null; may be logits) is the gradient of the sum.
struct CrossEntropy {
  static constexpr KernelId kKernel{"cross_entropy", KernelClass::pass};
  ConstRows logits;
  const std::int32_t* labels;
  const float* class_weights = nullptr;
  float label_smoothing = 0.0F;
  float z_loss = 0.0F;
  const float* row_weights = nullptr;
  Rows d_logits = {};
  double* sum;
  [[nodiscard]] KernelWork work() const;
};

/// Sigmoid and binary cross entropy of each element against targets [rows, columns] in [0, 1]; the weight is the number
/// of elements.
struct BinaryCrossEntropy {
  static constexpr KernelId kKernel{"binary_cross_entropy", KernelClass::pass};
  ConstRows logits;
  const float* targets;
  Rows d_logits = {};
  double* sum;
  [[nodiscard]] KernelWork work() const;
};

/// Squared error of each element; the weight is the number of elements.
struct MeanSquaredError {
  static constexpr KernelId kKernel{"mean_squared_error", KernelClass::pass};
  ConstRows predictions;
  const float* targets;
  Rows d_predictions = {};
  double* sum;
  [[nodiscard]] KernelWork work() const;
};

}  // namespace temper::calls

/// EACH(Name) for each call of this file (tensor/kernels.h).
#define TEMPER_LOSS_CALLS(EACH) EACH(CrossEntropy) EACH(BinaryCrossEntropy) EACH(MeanSquaredError)
