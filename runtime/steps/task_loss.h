// From logits to the loss of a task.
#pragma once

#include "runtime/steps/device_batch.h"
#include "tensor/ops.h"

namespace temper {

struct LossSettings {
  Task task = Task::sequence_classification;
  Tensor class_weights;  ///< f32 [classes]; undefined: all 1
  float label_smoothing = 0.0F;
};

/// The loss of transformers' models for the same task, added to `sum` f64 [2] as a sum and what to divide it by; the
/// gradient of the sum is left for Tape::backward.
void task_loss(Tape& tape, const Variable& logits, const DeviceBatch& batch, const LossSettings& settings,
               const Tensor& sum);

}  // namespace temper
