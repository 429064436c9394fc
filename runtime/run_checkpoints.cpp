#include "runtime/run_checkpoints.h"

#include <optional>
#include <utility>

#include "base/clock.h"
#include "model/huggingface/lineage.h"
#include "runtime/checkpoints/checkpoint_folder.h"
#include "runtime/checkpoints/saved_parameters.h"
#include "runtime/steps/parameter_updates.h"

namespace temper {

RunCheckpoints::RunCheckpoints(PreparedRun& run, SavePolicy& policy, std::filesystem::path last, Timeline* timeline)
    : run_(run), policy_(policy), timeline_(timeline), last_(std::move(last)) {}

void RunCheckpoints::save(TrainingState& state, TrainingStep& step) {
  if (saved_step_ == state.step && saved_finished_ == state.finished) return;
  const Clock::time_point began = Clock::now();
  step.settle();
  const TimelineScope scope(timeline_, Timeline::Track::sections, "save");
  note_updates(state, run_.model(), step);
  const std::filesystem::path folder = run_.folder().checkpoints();
  last_ = checkpoint_path(folder, state.step);
  // A run resumed from here starts with zero residuals, so this one resets them, too.
  step.buckets().reset_residuals();
  const Lineage& lineage = run_.complete_lineage();
  save_training(last_, state, {lineage.configuration, lineage_to_json(lineage)}, run_.model(), step, run_.device(),
                run_.communicator());
  if (run_.communicator().rank() == 0)
    retain_checkpoints(folder, static_cast<int>(run_.configuration().checkpoint.keep), state.step,
                       state.best_step >= 0 ? std::optional(state.best_step) : std::nullopt);
  saved_step_ = state.step;
  saved_finished_ = state.finished;
  policy_.saved(seconds_since(began));
  run_.reporter().saved(state.step, last_);
}

}  // namespace temper
