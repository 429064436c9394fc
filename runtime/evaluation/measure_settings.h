// What [evaluate] asks of the measures of a task, checked.
#pragma once

#include "data/tables/labels.h"
#include "runtime/config/config.h"
#include "runtime/tasks/row_measures.h"
#include "runtime/tasks/task.h"

namespace temper {

/// Whether a task says something of whole rows that has a probability: classes or labels.
bool has_row_measures(const TaskSpec& task);

/// Throws a usage Error, naming the key, where evaluate.positive is no class or the task has none, and where
/// evaluate.calibrate = "yes" is asked of a task that has no probabilities.
MeasureSettings measure_settings(const EvaluateSection& evaluate, const TaskSpec& task, const LabelSet& labels);

/// Whether thresholds and a temperature are chosen for a model of this task, once it is trained, if there are
/// validation rows. Throws a usage Error where that is asked for and there are none.
bool is_calibrated(const EvaluateSection& evaluate, const TaskSpec& task, std::int64_t validation_rows);

/// Whether the final figures of a run have intervals, and pictures beside them.
bool is_judged(const EvaluateSection& evaluate, const TaskSpec& task);

}  // namespace temper
