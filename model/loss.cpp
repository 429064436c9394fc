#include "model/loss.h"

#include "base/error.h"

namespace temper {

CrossEntropyTerms loss_terms(const Tape& tape, const LossSettings& settings, const Targets& targets) {
  CrossEntropyTerms terms = settings.terms(tape);
  if (targets.weights.defined()) terms.row_weights = targets.weights.data<float>();
  return terms;
}

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
  // A row that is of several classes, each by its share, is several rows.
  const Variable of_classes = targets.rows.defined() ? gather_rows(tape, outputs, targets.rows) : outputs;
  const bool weighted = tape.is_training() || settings.weights_evaluations;
  cross_entropy(tape, of_classes, targets.classes, weighted ? settings.class_weights : Tensor(),
                loss_terms(tape, settings, targets), sum);
}

}  // namespace temper
