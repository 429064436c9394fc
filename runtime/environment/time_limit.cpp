#include "runtime/environment/time_limit.h"

#include <algorithm>

#include "base/error.h"

namespace temper {
namespace {

/// For what is not foreseen: an end that comes early, a file system that is busier than before.
constexpr double kMostMarginSeconds = 30.0;

/// Thirty years: a clock of 64 bits in ns holds several of these.
constexpr double kLongest = 1e9;

std::chrono::system_clock::duration duration_of(double seconds) {
  return std::chrono::duration_cast<std::chrono::system_clock::duration>(
      std::chrono::duration<double>(std::clamp(seconds, -kLongest, kLongest)));
}

}  // namespace

TimeLimit::TimeLimit(double max_minutes, double process_seconds, std::optional<SystemClock::time_point> end)
    : end_(end), margin_seconds_(end ? kMostMarginSeconds : 0.0) {
  // A job that was extended has its old end in its environment, and goes on.
  if (end_ && *end_ <= SystemClock::now() - duration_of(process_seconds)) end_.reset();
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

Error no_progress(std::int64_t step, double seconds, double cache_seconds) {
  std::string caches;
  if (cache_seconds > 0.0)
    caches = fmt::format(
        ", {:.1f} s of them for the cache of the frozen layers, which was not full; fill it once in a longer start "
        "with run.keep_cache = true, or start anew without it (tuning.frozen_cache = false, --fresh)",
        cache_seconds);
  return Error(
      "step {}: this start's time (run.max_minutes, or the job's end) was over after {:.1f} s, before a step was taken "
      "or anything was measured{}; give it more time: another start like it would end here, too",
      step, seconds, caches);
}

}  // namespace temper
