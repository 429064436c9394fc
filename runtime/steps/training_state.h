// The state of a run: everything besides tensors that a resumed run needs to continue as if it had not been
// interrupted. It is the checkpoint's state_json.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace temper {

struct TrainingState {
  std::int64_t step = 0;           ///< optimizer steps done
  std::int64_t epoch = 0;          ///< of the next step
  std::int64_t step_in_epoch = 0;  ///< of the next step
  std::size_t phase = 0;           ///< of the next step
  /// Steps at which the phases so far really ended; shorter than planned where a plateau ended one.
  std::vector<std::int64_t> phase_ends;
  int grains = 0;   ///< fixed at the first start
  int threads = 0;  ///< a rank; fixed at the first start, since products are cut by it
  /// Of a run whose length was changed: as it was before, so that the rate does not fall back; -1: as configured.
  std::int64_t warmup_steps = -1;
  /// Parameters that differ from the base model (trained, or drawn anew), with the updates that their moments have
  /// seen.
  std::vector<std::pair<std::string, std::int64_t>> changed;

  bool adapters_merged = false;  ///< a phase has merged them: there are none any more

  std::int64_t best_step = -1;  ///< -1: nothing evaluated yet
  std::vector<std::pair<std::string, double>> best_metrics;
  std::vector<std::pair<std::string, double>> last_metrics;
  std::int64_t last_evaluated_step = 0;
  std::int64_t evaluations_without_gain = 0;        ///< for early stopping
  std::int64_t phase_evaluations_without_gain = 0;  ///< for a phase that ends at a plateau
  bool finished = false;

  std::int64_t examples = 0;  ///< seen so far
  std::int64_t tokens = 0;
  double seconds = 0.0;  ///< spent in steps, over all starts
  std::vector<std::string> labels;
};

/// A step more, with what it took; an epoch has so many. True if it was the last one of its epoch.
bool advance(TrainingState& state, std::int64_t examples, std::int64_t tokens, double seconds,
             std::int64_t steps_per_epoch);

std::string to_json(const TrainingState& state);
/// Throws Error naming the member that is missing or of another type.
TrainingState parse_training_state(const std::string& json);

}  // namespace temper
