#include "base/timeline.h"

namespace temper {

void Timeline::start() {
  const std::lock_guard lock(mutex_);
  zero_ = Clock::now();
  recording_.store(true, std::memory_order_release);
}

void Timeline::add(Track track, std::string_view name, std::int64_t number, Clock::time_point begin,
                   Clock::time_point end) {
  const std::lock_guard lock(mutex_);
  if (begin < zero_) return;
  if (spans_.size() >= most_spans_) {
    ++left_out_;
    return;
  }
  const auto nanoseconds = [this](Clock::time_point time) {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(time - zero_).count();
  };
  spans_.push_back({track, name, number, nanoseconds(begin), nanoseconds(end)});
}

std::vector<Timeline::Span> Timeline::spans() const {
  const std::lock_guard lock(mutex_);
  return spans_;
}

std::int64_t Timeline::left_out() const {
  const std::lock_guard lock(mutex_);
  return left_out_;
}

}  // namespace temper
