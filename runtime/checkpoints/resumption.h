// Whether a run resumes from a checkpoint in its folder: only with the configuration, base model and training data that
// the checkpoint was made with, since anything else would be another run under the same name. Its length may change if
// no learning rate depends on it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/huggingface/lineage.h"
#include "runtime/checkpoints/checkpoint_folder.h"
#include "runtime/config/config.h"
#include "runtime/steps/training_state.h"

namespace temper {

struct Resumption {
  FoundCheckpoint found;
  TrainingState state;
  std::optional<TrainSection> length_before;  ///< where the run is to be longer or shorter than it was
};

/// Collective. The newest good checkpoint in output.dir; nothing where there is none or checkpoint.resume is off.
/// Throws a usage Error that lists the keys in which the configurations differ, and Error if it cannot be read.
std::optional<Resumption> find_checkpoint_to_resume(const Configuration& configuration, Communicator& communicator,
                                                    const std::function<void(const std::string&)>& warn);

/// Makes the state that of a run of `total_steps` now and of another number before: it is no longer finished if steps
/// are left, and its warm-up stays. Throws a usage Error if it has done more steps already.
void change_length(TrainingState& state, const TrainSection& before, const TuningSection& tuning,
                   std::int64_t steps_per_epoch, std::int64_t total_steps);

/// The schedule of a run's rates: `train`, but for a warm-up that the state fixes.
TrainSection schedule_of(const TrainSection& train, const TrainingState& state);

/// Throws Error if the checkpoint was made from another base model, or from other training or validation data, than
/// `now` tells of; a usage Error where another one is configured. Gives a sentence for each file that is the same under
/// another name.
std::vector<std::string> require_same_origin(const FoundCheckpoint& found, const Lineage& now,
                                             const Configuration& configuration);

}  // namespace temper
