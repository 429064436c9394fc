#include "model/loss.h"

namespace temper {

void add_loss(Tape& tape, const Variable& outputs, const Targets& targets, const LossSettings& settings,
              const Tensor& sum) {
  switch (settings.kind) {
    case LossKind::mean_squared_error:
      return mean_squared_error(tape, outputs, targets.values, sum);
    case LossKind::binary_cross_entropy:
      return binary_cross_entropy(tape, outputs, targets.values, sum);
    case LossKind::cross_entropy:
      break;
  }
  cross_entropy(tape, outputs, targets.classes, settings.class_weights, settings.terms(tape), sum);
}

}  // namespace temper
