// What is trained, and how, as a schedule: gradual unfreezing and its relatives (Howard, Ruder 2018). A run is a list
// of phases; without any, it is one phase. The learning-rate schedule spans the whole run; a phase's own warmup and
// learning rate are applied on top of it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/config/config.h"

namespace temper {

struct PhasePlan {
  std::int64_t begin_step = 0;
  std::int64_t end_step = 0;  ///< one past its last step
  std::vector<std::string> freeze;
  double learning_rate = 0.0;  ///< that the schedule's factor multiplies
  double layer_decay = 1.0;
  std::int64_t warmup_steps = 0;  ///< in its first steps s = 0, 1, ... the rate is multiplied by (s + 1) / warmup_steps
  std::int64_t plateau_patience = 0;         ///< evaluations without gain that end it early; 0: none do
  bool merge_adapters = false;               ///< before its first step
  std::string freeze_key = "tuning.freeze";  ///< where its patterns stand, for messages
};

/// The phases of a run, end to end. `ended`: steps at which the first phases really ended, where a plateau ended them
/// earlier than planned; the ones behind keep their length, so the run may become shorter. Throws a usage Error if the
/// phases leave no step to the last one.
std::vector<PhasePlan> plan_phases(const TuningSection& tuning, const TrainSection& train, std::int64_t steps_per_epoch,
                                   std::span<const std::int64_t> ended);

/// Steps in which the rate of a run of `total_steps` rises.
std::int64_t warmup_steps(const TrainSection& train, std::int64_t total_steps);

/// The learning rate of step `step` (0-based) of a run, which lies in `phase`.
double learning_rate_at(std::int64_t step, const PhasePlan& phase, const TrainSection& train, std::int64_t total_steps);

}  // namespace temper
