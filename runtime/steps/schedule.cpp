#include "runtime/steps/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"

namespace temper {

ScheduleKind parse_schedule(const std::string& name) {
  if (name == "constant") return ScheduleKind::constant;
  if (name == "linear") return ScheduleKind::linear;
  if (name == "cosine") return ScheduleKind::cosine;
  throw usage_error("train.schedule is '{}'; expected constant, linear or cosine", name);
}

double schedule_factor(ScheduleKind kind, std::int64_t step, std::int64_t total_steps, std::int64_t warmup_steps) {
  if (step < warmup_steps) return static_cast<double>(step) / static_cast<double>(warmup_steps);
  if (kind == ScheduleKind::constant) return 1.0;
  const auto left = static_cast<double>(total_steps - step);
  const auto whole = static_cast<double>(std::max<std::int64_t>(1, total_steps - warmup_steps));
  const double rest = std::clamp(left / whole, 0.0, 1.0);
  return kind == ScheduleKind::linear ? rest : 0.5 * (1.0 + std::cos(std::numbers::pi * (1.0 - rest)));
}

}  // namespace temper
