// When a run saves and when it stops: by its steps, by minutes, by a signal, by the end of its time.
//
// Signals and clocks are local to a rank. They become requests that are sent with the step's message, and the result is
// the same on all ranks; so is the step number. Therefore no rank ever saves alone.
#pragma once

#include <cstdint>
#include <functional>

#include "base/clock.h"
#include "comm/communicator.h"
#include "runtime/config/config.h"
#include "runtime/environment/time_limit.h"
#include "runtime/steps/training_state.h"
#include "runtime/steps/training_step.h"

namespace temper {

class SavePolicy {
 public:
  using Now = std::function<Clock::time_point()>;

  /// `signalled`: whether this rank has been asked to stop. `now`: the clock by which checkpoint.every_minutes is
  /// counted, from here on at first; seconds of steps and checkpoints are told by whoever takes them.
  SavePolicy(
      const CheckpointSection& checkpoint, TimeLimit limit, std::function<bool()> signalled,
      Now now = [] { return Clock::now(); });

  /// Whether this rank wants to stop, because of a signal or because its time is up; for work that can be abandoned and
  /// repeated.
  [[nodiscard]] bool wants_to_stop() const { return signalled_() || limit_.is_due(); }
  /// Collective. Whether any rank has been asked to stop by a signal.
  [[nodiscard]] bool is_signalled(Communicator& communicator) const;
  /// This rank's requests, for the next step's message.
  [[nodiscard]] StepRequests requests() const { return {wants_to_stop(), minutes_are_up()}; }
  /// Whether the ranks save after the step just taken: `state` is where it led, and the same on all ranks.
  [[nodiscard]] bool is_due(const StepOutcome& outcome, const TrainingState& state) const;

  /// The longest step and the longest checkpoint must fit into what is left of the time.
  void step_taken(double seconds) { limit_.add_step(seconds); }
  void saved(double seconds);

 private:
  [[nodiscard]] bool minutes_are_up() const;

  std::int64_t every_steps_;  ///< 0: at the end of an epoch
  double every_minutes_;      ///< 0: not by the clock
  TimeLimit limit_;
  std::function<bool()> signalled_;
  Now now_;
  Clock::time_point last_;  ///< checkpoint, or the beginning of the run
};

}  // namespace temper
