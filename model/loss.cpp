#include "model/loss.h"

#include "base/error.h"

namespace temper {

void add_loss(Tape& tape, const Variable& outputs, const Targets& targets, const LossSettings& settings,
              const Tensor& sum) {
  switch (settings.kind) {
    case LossKind::mean_squared_error:
      return mean_squared_error(tape, outputs, targets.values, sum);
    case LossKind::binary_cross_entropy:
      return binary_cross_entropy(tape, outputs, targets.values, sum);
    case LossKind::preference:
      throw Error("the loss of pairs is that of a head over a vocabulary, which this is not");
    case LossKind::cross_entropy:
      break;
  }
  cross_entropy(tape, outputs, targets.classes, settings.class_weights, settings.terms(tape), sum);
}

}  // namespace temper
