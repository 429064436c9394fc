// What a finished run delivers: its best model, evaluated on the test rows and exported as a folder with its model card
// and temper.json.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>

#include "base/timeline.h"
#include "runtime/prepared_run.h"
#include "runtime/reporting/train_report.h"
#include "runtime/steps/training_state.h"
#include "runtime/tasks/metrics.h"
#include "runtime/tasks/row_measures.h"

namespace temper {

struct Delivered {
  Metrics test;                            ///< none where there are no test rows
  std::optional<Calibration> calibration;  ///< as FinalMeasures has it
  std::filesystem::path model;             ///< empty where none is exported

  void tell(TrainReport& report) const;
};

/// Collective. Whether a finished run still has to deliver its model or its test metrics, because it was ended between
/// its last checkpoint and those.
bool delivery_is_due(PreparedRun& run);

/// Whether the best model is another one than that of the last step.
bool best_is_earlier(const TrainingState& state);

/// Collective. Makes the best model, as its checkpoint holds it, that of the run. No TrainingStep may be bound to the
/// model any more. Throws Error if the checkpoint cannot be read.
void load_best(PreparedRun& run, const TrainingState& state);

/// Collective. Measures the run's model, which must be settled and the best one, and exports it. `best`: its metrics on
/// the validation rows. Nothing, and no model, if a signal asked any rank to stop. `timeline` may be null.
std::optional<Delivered> hand_over(PreparedRun& run, const TrainingState& state, const Metrics& best,
                                   const std::function<bool()>& wants_to_stop, Timeline* timeline);

}  // namespace temper
