// One phase of a run, from its first step here to its last: what is frozen, the cache of its output, the training step
// with its arena, the batches, and when the phase is evaluated and is over.
//
// Note: the steps of a phase may be over while its arena is still needed. The arena of the last phase holds the values
// and moments of the final checkpoint.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/timeline.h"
#include "data/loader.h"
#include "runtime/frozen/phase_caches.h"
#include "runtime/prepared_run.h"
#include "runtime/steps/phases.h"
#include "runtime/steps/training_state.h"
#include "runtime/steps/training_step.h"
#include "runtime/tasks/metrics.h"

namespace temper {

class PhaseRun {
 public:
  /// Collective. The phase that `state` stands in. `checkpoint`: that this start goes on from, whose moments are those
  /// of a phase that had begun; it is dropped once they are restored. `run` and `state` are borrowed, `timeline` may be
  /// null. Tells the run's observers of the phase.
  PhaseRun(PreparedRun& run, TrainingState& state, std::optional<FoundCheckpoint> checkpoint,
           std::function<bool()> wants_to_stop, Timeline* timeline);

  /// Steps of the whole run, as this phase's begin makes them out.
  [[nodiscard]] std::int64_t total_steps() const { return phases_.back().end_step; }
  /// Whether a step of it has been taken, by this start or an earlier one.
  [[nodiscard]] bool has_begun() const { return state_.step > phase().begin_step; }
  [[nodiscard]] TrainingStep& step() { return *step_; }

  // ---- steps
  /// Collective. Fills the cache of the training rows, if they have one, and begins to load batches. False if a signal
  /// came meanwhile: then no step can be taken.
  bool begin_steps();
  /// That filling the cache took; steps had to wait for it.
  [[nodiscard]] double cache_seconds() const { return caches_->training_seconds(); }
  /// This rank's grains of the next step.
  StepBatch next_batch();
  [[nodiscard]] double learning_rate() const;
  /// Collective. Throws Error on all ranks if the loss or the gradient is not finite, with where to go back to:
  /// `last_checkpoint`, unless that is empty.
  StepOutcome take_step(const StepBatch& batch, double learning_rate, const StepRequests& requests,
                        const std::filesystem::path& last_checkpoint);

  // ---- behind a step
  /// Whether any rows are due to be measured where the run stands.
  [[nodiscard]] bool evaluation_is_due() const;
  struct Evaluated {
    std::optional<Metrics> validation;                  ///< nothing where these rows are not due
    std::vector<std::pair<std::string, Metrics>> sets;  ///< those of evaluate.sets that are due, by name
  };
  /// Collective. Metrics of the rows that are due; nothing if a signal came.
  std::optional<Evaluated> evaluate();
  /// Whether another phase begins behind the step that the run stands at.
  [[nodiscard]] bool is_over() const;
  /// Notes in the state that it is over; what is saved from then on goes on with the next phase.
  void note_end();

  // ---- the end
  /// No more steps, nor evaluations: gives up what they needed, but not the arena.
  void end_steps();

 private:
  /// Collective. Says which pictures could not be read.
  void tell_unreadable();
  [[nodiscard]] const PhasePlan& phase() const { return phases_[index_]; }
  void merge_adapters();
  void make_step(std::optional<FoundCheckpoint> checkpoint);
  void make_caches();
  /// Between two evaluations of the validation rows; 0 where there are none.
  [[nodiscard]] std::int64_t steps_between_evaluations() const;
  [[nodiscard]] bool is_due(std::int64_t steps_between) const;
  [[nodiscard]] bool is_due(const EvaluationSet& set) const;

  PreparedRun& run_;
  TrainingState& state_;
  std::function<bool()> wants_to_stop_;
  Timeline* timeline_;
  std::vector<PhasePlan> phases_;  ///< of the run
  std::size_t index_;
  std::unique_ptr<TrainingStep> step_;
  std::optional<PhaseCaches> caches_;  ///< until the steps end
  std::optional<Loader> loader_;       ///< while steps are taken
};

}  // namespace temper
