#include "runtime/steps/placement.h"

#include <cstddef>
#include <utility>

namespace temper {

GatherAhead::GatherAhead(std::vector<std::vector<Placement*>> placements, std::int64_t recorded)
    : placements_(std::move(placements)), recorded_(recorded), states_(placements_.size(), State::away) {}

void GatherAhead::before(std::int64_t stage, StagePass pass) {
  acquire(stage);
  if (pass == StagePass::reading) return;
  if (pass == StagePass::forward) {
    if (stage + 1 < stages()) gather(stage + 1);
  } else if (stage > recorded_) {
    gather(stage - 1);
  }
}

void GatherAhead::after(std::int64_t stage, StagePass pass, const Variable& output) {
  // What has run again is read by its backward pass, and the topmost stage by the one that begins there.
  const bool ends_in_loss = stage + 1 == stages() && stage >= recorded_ && !output.defined();
  const bool is_read_next = pass == StagePass::again || (pass == StagePass::forward && ends_in_loss);
  if (!is_read_next) release(stage);
}

void GatherAhead::gather(std::int64_t stage) {
  State& state = states_[static_cast<std::size_t>(stage)];
  if (state != State::away) return;
  state = State::coming;
  for (Placement* placement : placements_[static_cast<std::size_t>(stage)]) placement->gather(stage);
}

void GatherAhead::acquire(std::int64_t stage) {
  gather(stage);
  State& state = states_[static_cast<std::size_t>(stage)];
  if (state == State::here) return;
  state = State::here;
  for (Placement* placement : placements_[static_cast<std::size_t>(stage)]) placement->acquire(stage);
}

void GatherAhead::release(std::int64_t stage) {
  states_[static_cast<std::size_t>(stage)] = State::away;
  for (Placement* placement : placements_[static_cast<std::size_t>(stage)]) placement->release(stage);
}

}  // namespace temper
