// How a run's work is cut: fixed at its first start, since its bits depend on it.
#pragma once

#include <functional>
#include <string>

#include "comm/communicator.h"
#include "runtime/config/config.h"
#include "runtime/steps/training_state.h"

namespace temper {

/// Collective. Sets grains and threads per rank of a run that begins.
void fix_shape(TrainingState& state, const Configuration& configuration, Communicator& communicator);

/// Says so where there are more ranks than grains.
void warn_of_idle_ranks(const TrainingState& state, const Communicator& communicator,
                        const std::function<void(const std::string&)>& say);

}  // namespace temper
