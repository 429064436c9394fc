#include "runtime/steps/phases.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/counted.h"
#include "base/error.h"
#include "runtime/steps/schedule.h"

namespace temper {
namespace {

std::int64_t whole_steps(double epochs, std::int64_t steps_per_epoch) {
  return std::max<std::int64_t>(
      1, static_cast<std::int64_t>(std::ceil(epochs * static_cast<double>(steps_per_epoch) - 1e-9)));
}

/// Steps that a phase asks for; 0 where it goes on to the end of the run.
std::int64_t length_of(const PhaseConfig& phase, std::int64_t run_steps, std::int64_t steps_per_epoch) {
  if (phase.epochs > 0) return whole_steps(phase.epochs, steps_per_epoch);
  if (phase.steps > 0) return phase.steps;
  if (phase.fraction > 0)
    return std::max<std::int64_t>(1, std::llround(phase.fraction * static_cast<double>(run_steps)));
  return 0;
}

}  // namespace

std::vector<PhasePlan> plan_phases(const TuningSection& tuning, const TrainSection& train, std::int64_t steps_per_epoch,
                                   std::span<const std::int64_t> ended) {
  const std::int64_t run_steps = train.max_steps > 0 ? train.max_steps : whole_steps(train.epochs, steps_per_epoch);
  std::vector<PhaseConfig> phases = tuning.phases;
  if (phases.empty()) {
    PhaseConfig whole;
    whole.freeze = tuning.freeze;
    phases.push_back(whole);
  }
  std::vector<PhasePlan> plan;
  std::int64_t planned = 0;  // where the phase would begin had none ended early
  std::int64_t begin = 0;
  for (std::size_t i = 0; i < phases.size(); ++i) {
    const PhaseConfig& phase = phases[i];
    const bool last = i + 1 == phases.size();
    std::int64_t length = length_of(phase, run_steps, steps_per_epoch);
    if (length == 0) length = run_steps - planned;
    if (train.max_steps > 0 && last) length = std::min(length, run_steps - planned);
    if (length <= 0)
      throw usage_error(
          "tuning.phases: phase {} begins at step {}, but the run has {}; shorten the phases before "
          "it or raise {}",
          i + 1, planned, counted(run_steps, "step"), train.max_steps > 0 ? "train.max_steps" : "train.epochs");
    planned += length;
    std::int64_t end = begin + length;
    if (i < ended.size()) end = std::max(begin, std::min(end, ended[i]));
    const std::int64_t standard_warmup = i == 0 ? 0 : std::max<std::int64_t>(1, length / 20);
    plan.push_back({begin, end, phase.freeze, phase.learning_rate.value_or(train.learning_rate),
                    phase.layer_decay.value_or(tuning.layer_decay),
                    phase.warmup_steps > 0 ? phase.warmup_steps : standard_warmup, phase.plateau_patience,
                    phase.merge_adapters,
                    tuning.phases.empty() ? "tuning.freeze" : fmt::format("tuning.phases, phase {}", i + 1)});
    begin = end;
  }
  return plan;
}

std::int64_t warmup_steps(const TrainSection& train, std::int64_t total_steps) {
  return train.warmup_steps > 0 ? train.warmup_steps
                                : static_cast<std::int64_t>(train.warmup_ratio * static_cast<double>(total_steps));
}

double learning_rate_at(std::int64_t step, const PhasePlan& phase, const TrainSection& train,
                        std::int64_t total_steps) {
  double rate = phase.learning_rate *
                schedule_factor(parse_schedule(train.schedule), step, total_steps, warmup_steps(train, total_steps));
  const std::int64_t into_phase = step - phase.begin_step;
  if (into_phase < phase.warmup_steps)
    rate *= static_cast<double>(into_phase + 1) / static_cast<double>(phase.warmup_steps);
  return rate;
}

}  // namespace temper
