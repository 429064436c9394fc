// How often the moments of each parameter were updated, as a checkpoint keeps it by name.
#pragma once

#include <cstdint>
#include <vector>

#include "model/model.h"
#include "runtime/steps/training_state.h"
#include "runtime/steps/training_step.h"

namespace temper {

/// Updates of each parameter of the model, in order: those that the state knows where `continues`, else none, for
/// moments live as long as a phase and a parameter that enters one starts with zero moments. Trainable parameters that
/// the state does not know yet are added to it.
std::vector<std::int64_t> begin_updates(TrainingState& state, const Model& model, bool continues);
/// Adds to the state the statistics of the model that it does not know yet: training is going to move them.
void note_statistics(TrainingState& state, const Model& model);
/// Takes the numbers over into the state.
void note_updates(TrainingState& state, const Model& model, TrainingStep& step);

}  // namespace temper
