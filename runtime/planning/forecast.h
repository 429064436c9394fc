// The plan of a configured run: reads its model's shapes and its data, and plans each of its phases.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/checkpoints/disk_room.h"
#include "runtime/config/config.h"
#include "runtime/planning/cost_model.h"

namespace temper {

struct PhaseForecast {
  std::int64_t begin_step = 0;
  std::int64_t end_step = 0;
  std::int64_t evaluations = 0;               ///< of the validation rows, in these steps
  std::vector<std::int64_t> set_evaluations;  ///< of each of evaluate.sets
  std::vector<std::string> freeze;
  StepFacts facts;
  StepPlan plan;
  std::vector<std::string> advice;
};

struct RunForecast {
  int ranks = 1;
  int nodes = 1;
  std::string precision;
  std::int64_t train_rows = 0;
  std::int64_t rows_looked_at = 0;
  std::int64_t total_steps = 0;
  double tokens_a_row = 0.0;
  bool of_images = false;                ///< rows are pictures, whose tokens say nothing to a person
  std::int64_t longest_micro_batch = 0;  ///< tokens
  std::vector<PhaseForecast> phases;
  double seconds = 0.0;             ///< of all steps and evaluations; 0 where times are not known
  double evaluation_seconds = 0.0;  ///< of them
  DiskNeed disk;                    ///< of output.dir
  std::int64_t disk_room = -1;      ///< bytes that are free there; -1: not known
  std::vector<std::string> notes;   ///< what the forecast rests on or leaves out
};

/// `machine` may be null. Throws Error as a run would, for what is wrong with the configuration, the model or the rows
/// that are looked at.
RunForecast forecast_run(const Configuration& configuration, int ranks, int nodes, const MachineProfile* machine);

}  // namespace temper
