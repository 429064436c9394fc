// From logits to the loss of a task, as a sum and what it is divided by.
#pragma once

#include "runtime/device_batch.h"
#include "tensor/ops.h"

namespace temper {

struct LossSettings {
  Task task = Task::sequence_classification;
  Tensor class_weights;  ///< f32 [classes]; undefined: all 1
  float label_smoothing = 0.0F;
};

/// The loss of transformers' models for the same task; the gradient of the sum is left for Tape::backward.
LossSum task_loss(Tape& tape, const Variable& logits, const DeviceBatch& batch, const LossSettings& settings);

}  // namespace temper
