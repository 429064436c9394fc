// How a run's work is divided: fixed at its first start, since its bits depend on it.
#pragma once

#include <functional>
#include <string>

#include "comm/communicator.h"
#include "runtime/config/config.h"
#include "runtime/steps/training_state.h"
#include "tensor/device.h"

namespace temper {

/// Collective. Sets grains and threads per rank of a run that begins.
void fix_shape(TrainingState& state, const Configuration& configuration, Communicator& communicator);

/// What is to be said of more ranks than grains; empty where each rank has one.
std::string idle_ranks_note(int ranks, int grains);

/// Collective. Says so where there are more ranks than grains, and where threads on CPUs share cores. `fixed`: the run
/// is resumed, and its threads per rank stay.
void warn_of_shape(const TrainingState& state, bool fixed, const Device& device, Communicator& communicator,
                   const std::function<void(const std::string&)>& say);

}  // namespace temper
