#include "runtime/evaluation/measure_settings.h"

#include <algorithm>

#include "base/error.h"
#include "base/name_list.h"
#include "base/nearest_name.h"

namespace temper {

bool has_row_measures(const TaskSpec& task) {
  return task.labels == LabelKind::single_class || task.labels == LabelKind::multi_label;
}

MeasureSettings measure_settings(const EvaluateSection& evaluate, const TaskSpec& task, const LabelSet& labels) {
  MeasureSettings settings;
  settings.specificity = evaluate.at_specificity;
  settings.sensitivity = evaluate.at_sensitivity;
  settings.rule = threshold_rule(evaluate.threshold_by);
  settings.resamples = evaluate.resamples;
  settings.seed = static_cast<std::uint64_t>(evaluate.resample_seed);
  if (evaluate.calibrate == "yes" && !has_row_measures(task))
    throw usage_error(
        "evaluate.calibrate is \"yes\", but model.task = \"{}\" gives rows no probabilities; leave the key out",
        task.name);
  if (evaluate.positive.empty()) return settings;
  if (task.labels != LabelKind::single_class)
    throw usage_error("evaluate.positive is {}, but model.task = \"{}\" has not one class per row; leave the key out",
                      quoted_name(evaluate.positive), task.name);
  const std::vector<std::string>& names = labels.names();
  const auto found = std::find(names.begin(), names.end(), evaluate.positive);
  if (found == names.end()) {
    const std::string near = nearest_name(evaluate.positive, names);
    throw usage_error("evaluate.positive is {}, which is no class of the data{}; its classes are {}",
                      quoted_name(evaluate.positive),
                      near.empty() ? "" : fmt::format(" (did you mean {}?)", quoted_name(near)), name_list(names));
  }
  settings.positive = static_cast<std::int32_t>(found - names.begin());
  return settings;
}

bool is_judged(const EvaluateSection& evaluate, const TaskSpec& task) {
  if (evaluate.calibrate == "auto") return task.head == HeadKind::image && has_row_measures(task);
  return evaluate.calibrate == "yes" && has_row_measures(task);
}

bool is_calibrated(const EvaluateSection& evaluate, const TaskSpec& task, std::int64_t validation_rows) {
  if (evaluate.calibrate == "yes" && validation_rows == 0)
    throw usage_error(
        "evaluate.calibrate is \"yes\", but there are no validation rows to choose thresholds and a temperature on; "
        "set "
        "data.validation or data.validation_fraction");
  return is_judged(evaluate, task) && validation_rows > 0;
}

}  // namespace temper
