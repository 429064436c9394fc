// The evaluations of a run: the settings with which its model is evaluated on rows that it is not trained on.
#pragma once

#include <functional>
#include <optional>

#include "data/example_source.h"
#include "runtime/frozen/frozen_cache.h"
#include "runtime/prepared_run.h"
#include "runtime/tasks/metrics.h"
#include "runtime/tasks/row_outputs.h"

namespace temper {

/// Collective. Loss and metrics of the run's model, which must be settled, on these rows; nothing if a signal asked any
/// rank to stop. `cache`: of these rows; null: the frozen part is computed with each batch. `outputs`: becomes what the
/// model says of each row, of tasks that say something of rows; may be null.
std::optional<Metrics> measure_model(PreparedRun& run, const ExampleSource& rows, const FrozenCache* cache,
                                     const std::function<bool()>& wants_to_stop, RowOutputs* outputs = nullptr);

}  // namespace temper
