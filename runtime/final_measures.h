// The last figures of a run: its best model on the rows by which it was chosen and on the test rows, with thresholds,
// temperature, intervals and pictures where [evaluate] asks for them.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "runtime/prepared_run.h"
#include "runtime/steps/training_state.h"
#include "runtime/tasks/row_measures.h"

namespace temper {

struct FinalMeasures {
  Metrics test;                            ///< none where there are no test rows
  std::optional<Calibration> calibration;  ///< chosen on the validation rows
  std::string intervals;                   ///< what they are over: "57 groups (patient)"; empty: there are none
};

/// Collective. Of the run's model, which must be settled and the best one. Nothing if a signal asked any rank to stop.
/// Pictures go to figures/ in the run's folder: of the test rows, or where there are none, of the validation rows.
std::optional<FinalMeasures> final_measures(PreparedRun& run, const TrainingState& state,
                                            const std::function<bool()>& wants_to_stop);

}  // namespace temper
