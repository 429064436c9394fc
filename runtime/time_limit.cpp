#include "runtime/time_limit.h"

#include <algorithm>

namespace temper {
namespace {

/// For what is not foreseen: an end that comes early, a file system that is busier than before.
constexpr double kMostMarginSeconds = 30.0;

std::chrono::system_clock::duration duration_of(double seconds) {
  return std::chrono::duration_cast<std::chrono::system_clock::duration>(std::chrono::duration<double>(seconds));
}

}  // namespace

TimeLimit::TimeLimit(double max_minutes, double process_seconds, std::optional<SystemClock::time_point> end)
    : end_(end), margin_seconds_(end ? kMostMarginSeconds : 0.0) {
  if (max_minutes <= 0.0) return;
  const double seconds = 60.0 * max_minutes;
  const auto own = SystemClock::now() + duration_of(seconds - process_seconds);
  if (end_ && *end_ <= own) return;
  end_ = own;
  margin_seconds_ = std::min(kMostMarginSeconds, 0.05 * seconds);
}

void TimeLimit::add_step(double seconds) { step_seconds_ = std::max(step_seconds_, seconds); }

void TimeLimit::add_save(double seconds) { save_seconds_ = std::max(save_seconds_, seconds); }

bool TimeLimit::is_due(SystemClock::time_point now) const {
  return end_ && now + duration_of(step_seconds_ + save_seconds_ + margin_seconds_) >= *end_;
}

}  // namespace temper
