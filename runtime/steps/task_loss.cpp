#include "runtime/steps/task_loss.h"

namespace temper {

void task_loss(Tape& tape, const Variable& logits, const DeviceBatch& batch, const LossSettings& settings,
               const Tensor& sum) {
  switch (settings.task) {
    case Task::regression:
      return mean_squared_error(tape, logits, batch.targets, sum);
    case Task::multi_label:
      return binary_cross_entropy(tape, logits, batch.targets, sum);
    case Task::sequence_classification:
    case Task::token_classification:
    case Task::masked_lm:
      break;
  }
  cross_entropy(tape, logits, batch.classes, settings.class_weights, settings.label_smoothing, sum);
}

}  // namespace temper
