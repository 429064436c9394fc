// When a run must save and end, so that it is not killed before it has saved.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "base/error.h"

namespace temper {

class TimeLimit {
 public:
  using SystemClock = std::chrono::system_clock;

  /// `max_minutes` count from the start of the process, `process_seconds` ago; 0: no limit. `end`: of the job, if
  /// known; one that was past when the process began is not it.
  TimeLimit(double max_minutes, double process_seconds, std::optional<SystemClock::time_point> end);

  /// How long a step took, and a checkpoint: the longest of each must fit into what is left.
  void add_step(double seconds);
  void add_save(double seconds);

  /// A request of this rank only: its clock may be ahead of the others'.
  [[nodiscard]] bool is_due() const { return is_due(SystemClock::now()); }
  [[nodiscard]] bool is_due(SystemClock::time_point now) const;

 private:
  std::optional<SystemClock::time_point> end_;
  double margin_seconds_ = 0.0;
  double step_seconds_ = 0.0;
  double save_seconds_ = 0.0;
};

/// Of a start whose time was up before it got anywhere, and which must not be started again forever. `seconds`: that it
/// lasted; `cache_seconds`: of these, for a cache of frozen layers.
Error no_progress(std::int64_t step, double seconds, double cache_seconds);

}  // namespace temper
