#include "runtime/steps/training_state.h"

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace temper {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(TrainingState, step, epoch, step_in_epoch, phase, phase_ends, grains, threads,
                                   warmup_steps, changed, adapters_merged, best_step, best_metrics, last_metrics, last_evaluated_step,
                                   evaluations_without_gain, phase_evaluations_without_gain, finished, examples, tokens,
                                   seconds, labels)

bool advance(TrainingState& state, std::int64_t examples, std::int64_t tokens, double seconds,
             std::int64_t steps_per_epoch) {
  state.examples += examples;
  state.tokens += tokens;
  state.seconds += seconds;
  ++state.step;
  if (++state.step_in_epoch < steps_per_epoch) return false;
  state.step_in_epoch = 0;
  ++state.epoch;
  return true;
}

std::string to_json(const TrainingState& state) {
  const nlohmann::json json = state;
  return json.dump(1);
}

TrainingState parse_training_state(const std::string& json) {
  try {
    nlohmann::json state = nlohmann::json::parse(json);
    // Checkpoints of before 0.4 come from runs whose length could not be changed.
    if (state.is_object() && !state.contains("warmup_steps")) state["warmup_steps"] = -1;
    // Those of before 0.5 know no adapters.
    if (state.is_object() && !state.contains("adapters_merged")) state["adapters_merged"] = false;
    return state.get<TrainingState>();
  } catch (const nlohmann::json::exception& error) {
    throw Error("the state in the checkpoint cannot be read: {}; it was written by another version of the program",
                error.what());
  }
}

}  // namespace temper
