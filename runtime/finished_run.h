// A run that is over and has written its model needs its inputs no more.
#pragma once

#include <filesystem>
#include <optional>

#include "comm/communicator.h"
#include "runtime/config/config.h"
#include "runtime/reporting/train_report.h"

namespace temper {

/// Collective. The report of a run that has ended and written its model, whose base model or data are no longer in
/// their places on some rank. Nothing where there is no such run, or where its inputs are there.
std::optional<TrainReport> finished_without_inputs(const Configuration& configuration, Communicator& communicator);

/// What a run that is over measured on its test rows, as its metrics.jsonl keeps it (values with their intervals), and
/// chose on its validation rows, as its model does. Nothing of what these files lack. `folder`: of the run.
void recall_measures(TrainReport& report, const std::filesystem::path& folder);

}  // namespace temper
