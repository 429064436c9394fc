// A run that is over and has written its model needs its inputs no more.
#pragma once

#include <optional>

#include "comm/communicator.h"
#include "runtime/config/config.h"
#include "runtime/reporting/train_report.h"

namespace temper {

/// Collective. The report of a run that has ended and written its model, whose base model or data are no longer in
/// their places on some rank. Nothing where there is no such run, or where its inputs are there.
std::optional<TrainReport> finished_without_inputs(const Configuration& configuration, Communicator& communicator);

}  // namespace temper
