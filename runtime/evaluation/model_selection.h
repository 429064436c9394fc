// Which model of a run is the best so far, how often models are evaluated, and whether to stop early.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/config/config.h"
#include "runtime/steps/training_state.h"
#include "runtime/tasks/metrics.h"

namespace temper {

class ModelSelection {
 public:
  /// `metric`: what models are compared by. `patience`: evaluations without gain that end the run; 0: any number.
  /// `state`: of a checkpoint; what it remembers is taken up.
  ModelSelection(std::string metric, std::int64_t patience, const TrainingState& state = {});
  /// Notes the metrics of the model of `state.step`. True if it is the best one: by the metric or, where that is equal
  /// or undefined, by the loss. Patience counts gains of the metric only, since a loss may fall slowly forever.
  bool judge(const Metrics& metrics, TrainingState& state);
  [[nodiscard]] bool patience_is_exhausted(const TrainingState& state) const {
    return patience_ > 0 && state.evaluations_without_gain >= patience_;
  }
  /// What is said where patience is exhausted.
  [[nodiscard]] std::string why_it_ends(const TrainingState& state) const;

  [[nodiscard]] const std::string& metric() const { return metric_; }
  [[nodiscard]] const Metrics& best() const { return best_; }
  [[nodiscard]] const Metrics& last() const { return last_; }

 private:
  std::string metric_;
  std::int64_t patience_;
  Metrics best_;
  Metrics last_;
};

/// Between two evaluations of the validation rows.
std::int64_t evaluation_steps(const EvaluateSection& evaluate, std::int64_t steps_per_epoch);

/// Throws a usage Error, with the numbers, where something is asked of validation rows (early stopping, a plateau, the
/// share that is kept back) and there are none, or where that share leaves nothing to train on. Rows after the split.
void require_rows(const Configuration& configuration, std::int64_t train_rows, std::int64_t validation_rows);

}  // namespace temper
