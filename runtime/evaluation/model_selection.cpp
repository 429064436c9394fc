#include "runtime/evaluation/model_selection.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

#include "base/counted.h"
#include "base/error.h"

namespace temper {
namespace {

/// NaN where there is none.
double value_or_none(const Metrics& metrics, std::string_view name) {
  const auto found = std::find_if(metrics.values.begin(), metrics.values.end(),
                                  [&](const auto& metric) { return metric.first == name; });
  return found == metrics.values.end() ? std::numeric_limits<double>::quiet_NaN() : found->second;
}

/// False where either has no loss that is a number.
bool has_lower_loss(const Metrics& one, const Metrics& other) {
  return value_or_none(one, "loss") < value_or_none(other, "loss");
}

}  // namespace

ModelSelection::ModelSelection(std::string metric, std::int64_t patience, const TrainingState& state)
    : metric_(std::move(metric)), patience_(patience) {
  best_.values = state.best_metrics;
  last_.values = state.last_metrics;
}

bool ModelSelection::judge(const Metrics& metrics, TrainingState& state) {
  last_ = metrics;
  state.last_metrics = last_.finite_values();
  const double value = last_.value(metric_);
  const bool first = state.best_step < 0;
  const double best = first ? std::numeric_limits<double>::quiet_NaN() : value_or_none(best_, metric_);
  const bool gains =
      std::isfinite(value) && (std::isnan(best) || (higher_is_better(metric_) ? value > best : value < best));
  // An area under a curve is undefined where all rows have one class: then the loss alone is left to judge by.
  const bool equal = value == best || (std::isnan(value) && std::isnan(best));
  const bool better =
      gains || (equal && (first ? std::isfinite(value_or_none(last_, "loss")) : has_lower_loss(last_, best_)));
  if (better) {
    best_ = last_;
    state.best_step = state.step;
    state.best_metrics = best_.finite_values();
  }
  if (gains) {
    state.evaluations_without_gain = 0;
    state.phase_evaluations_without_gain = 0;
  } else {
    ++state.evaluations_without_gain;
    ++state.phase_evaluations_without_gain;
  }
  return better;
}

std::string ModelSelection::why_it_ends(const TrainingState& state) const {
  return fmt::format("{} has not improved for {}: training ends", metric_,
                     counted(state.evaluations_without_gain, "evaluation"));
}

void require_rows(const Configuration& configuration, std::int64_t train_rows, std::int64_t validation_rows) {
  const double fraction = configuration.data.validation_fraction;
  const bool of_images = is_of_images(task_named(configuration.model.task).head);
  const std::int64_t rows = train_rows + validation_rows;
  if (fraction > 0.0 && rows > 0 && (validation_rows == 0 || train_rows == 0))
    throw usage_error(
        "data.validation_fraction = {} keeps {} of the {} back and leaves {} to train on (which ones, "
        "{} decide); {} it, or name {} in data.validation",
        fraction, validation_rows, counted(rows, of_images ? "training picture" : "training row"), train_rows,
        !configuration.data.group.empty() ? "their groups"
        : of_images                       ? "their paths"
                                          : "their texts",
        validation_rows == 0 ? "raise" : "lower", of_images ? "pictures" : "a file");
  if (validation_rows > 0) return;
  const char* remedy = "set data.validation or data.validation_fraction";
  if (const std::int64_t patience = configuration.train.early_stopping; patience > 0)
    throw usage_error(
        "train.early_stopping = {} ends the run after evaluations without gain, but 0 of {} are there to evaluate on; "
        "{}, or train.early_stopping = 0",
        patience, counted(rows, "row"), remedy);
  const auto& phases = configuration.tuning.phases;
  const auto plateau =
      std::find_if(phases.begin(), phases.end(), [](const PhaseConfig& phase) { return phase.plateau_patience > 0; });
  if (plateau != phases.end())
    throw usage_error(
        "phase {} of tuning.phases ends after {} without a gain (plateau_patience = {}), but 0 of {} are there to "
        "evaluate on; {}, or leave plateau_patience out",
        plateau - phases.begin() + 1, counted(plateau->plateau_patience, "evaluation"), plateau->plateau_patience,
        counted(rows, "row"), remedy);
}

std::int64_t evaluation_steps(const EvaluateSection& evaluate, std::int64_t steps_per_epoch) {
  return evaluate.every_steps > 0 ? evaluate.every_steps : steps_per_epoch;
}

}  // namespace temper
