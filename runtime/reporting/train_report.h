// The final report of a run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "runtime/reporting/run_trace.h"
#include "runtime/tasks/metrics.h"
#include "runtime/tasks/row_measures.h"
#include "tensor/device.h"

namespace temper {

struct TrainReport {
  bool stopped = false;          ///< by a signal or the clock, after saving
  bool stopped_in_time = false;  ///< by the clock, and no rank by a signal
  bool already_finished = false;
  std::int64_t steps = 0;
  std::int64_t total_steps = 0;
  std::int64_t best_step = -1;
  Metrics best;
  Metrics last;
  Metrics test;
  std::map<std::string, Metrics> sets;          ///< of evaluate.sets, by name, as they were measured last in this start
  std::optional<Calibration> calibration;       ///< chosen on the validation rows
  double examples_per_second = 0.0;             ///< of the steps, and of filling caches for them, this start
  double last_epoch_examples_per_second = 0.0;  ///< of the last epoch that has ended
  double tokens_per_second = 0.0;
  double cache_seconds = 0.0;                 ///< of computing frozen layers once for all training rows
  double seconds = 0.0;                       ///< in all, this start
  double seconds_to_first_step = 0.0;         ///< from the start of the process to the end of the first step
  std::int64_t peak_memory_bytes = 0;         ///< resident, the largest of all ranks
  std::int64_t peak_device_memory_bytes = 0;  ///< of tensors on the device, the largest of all ranks
  /// Resident when training ended, pages that ranks share divided among them, the largest of all ranks; 0: not known.
  std::int64_t proportional_memory_bytes = 0;
  std::vector<KernelTime> kernel_times;  ///< this rank's from its second step on; none if kernels are not timed
  WrittenTrace trace;
  int ranks = 1;
  std::filesystem::path checkpoint;  ///< the last one
  std::filesystem::path model;       ///< exported folder; empty where none was written
};

}  // namespace temper
