#include "runtime/task_loss.h"

namespace temper {

LossSum task_loss(Tape& tape, const Variable& logits, const DeviceBatch& batch, const LossSettings& settings) {
  switch (settings.task) {
    case Task::regression:
      return mean_squared_error(tape, logits, batch.targets);
    case Task::multi_label:
      return binary_cross_entropy(tape, logits, batch.targets);
    case Task::sequence_classification:
    case Task::token_classification:
    case Task::masked_lm:
      break;
  }
  return cross_entropy(tape, logits, batch.classes, settings.class_weights, settings.label_smoothing);
}

}  // namespace temper
