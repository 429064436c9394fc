// The checkpoints that a run writes as it goes: what goes into one, which ones stay, and which is the last. When to
// write one, runtime/checkpoints/save_policy.h says.
#pragma once

#include <cstdint>
#include <filesystem>

#include "base/timeline.h"
#include "runtime/checkpoints/save_policy.h"
#include "runtime/prepared_run.h"
#include "runtime/steps/training_state.h"
#include "runtime/steps/training_step.h"

namespace temper {

class RunCheckpoints {
 public:
  /// All are borrowed. `last`: that the run goes on from; empty: none. `timeline` may be null.
  RunCheckpoints(PreparedRun& run, SavePolicy& policy, std::filesystem::path last, Timeline* timeline);

  /// Collective. Writes where the run stands, unless that has been done since the last step. Takes over into `state`
  /// how often moments were updated. Throws Error if it cannot be written.
  void save(TrainingState& state, TrainingStep& step);

  /// The newest; empty: none.
  [[nodiscard]] const std::filesystem::path& last() const { return last_; }

 private:
  PreparedRun& run_;
  SavePolicy& policy_;
  Timeline* timeline_;
  std::filesystem::path last_;
  std::int64_t saved_step_ = -1;  ///< by this start
  bool saved_finished_ = false;
};

}  // namespace temper
