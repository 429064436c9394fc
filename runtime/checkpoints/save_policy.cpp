#include "runtime/checkpoints/save_policy.h"

#include <array>
#include <span>

#include <utility>

namespace temper {

SavePolicy::SavePolicy(const CheckpointSection& checkpoint, TimeLimit limit, std::function<bool()> signalled, Now now)
    : every_steps_(checkpoint.every_steps),
      every_minutes_(checkpoint.every_minutes),
      limit_(std::move(limit)),
      signalled_(std::move(signalled)),
      now_(std::move(now)),
      last_(now_()) {}

bool SavePolicy::minutes_are_up() const {
  return every_minutes_ > 0.0 && std::chrono::duration<double>(now_() - last_).count() > 60.0 * every_minutes_;
}

bool SavePolicy::is_signalled(Communicator& communicator) const {
  std::array<std::int64_t, 1> signalled{signalled_() ? 1 : 0};
  communicator.all_reduce(std::span(signalled), Reduction::max);
  return signalled.front() != 0;
}

bool SavePolicy::is_due(const StepOutcome& outcome, const TrainingState& state) const {
  const bool at_boundary = every_steps_ > 0 ? state.step % every_steps_ == 0 : state.step_in_epoch == 0;
  return at_boundary || outcome.save_due;
}

void SavePolicy::saved(double seconds) {
  limit_.add_save(seconds);
  last_ = now_();
}

}  // namespace temper
