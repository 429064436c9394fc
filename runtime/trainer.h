// A whole fine-tune: from a configuration to a trained model, its metrics and its checkpoints.
#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "runtime/config/config.h"
#include "runtime/environment/job.h"
#include "runtime/evaluation/metrics.h"
#include "runtime/reporting/run_trace.h"
#include "tensor/device.h"

namespace temper {

struct TrainOptions {
  /// True once a signal asked this rank to stop; polled between steps, in evaluation and before saving.
  std::function<bool()> stop_requested = [] { return false; };
  std::FILE* stream = stderr;  ///< of progress, on rank 0
  bool terminal = false;       ///< the stream is one: draw bars
  int columns = 80;
  std::optional<ProfileRequest> profile;
  Job job = {};                  ///< of the scheduler; none where its name is empty
  double process_seconds = 0.0;  ///< since the process began, for "start to first step"
};

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
  double examples_per_second = 0.0;             ///< of the steps, and of filling caches for them, this start
  double last_epoch_examples_per_second = 0.0;  ///< of the last epoch that has ended
  double tokens_per_second = 0.0;
  double cache_seconds = 0.0;                 ///< of computing frozen layers once for all training rows
  double seconds = 0.0;                       ///< in all, this start
  double seconds_to_first_step = 0.0;         ///< from the start of the process to the end of the first step
  std::int64_t peak_memory_bytes = 0;         ///< resident, the largest of all ranks
  std::int64_t peak_device_memory_bytes = 0;  ///< of tensors on the device, the largest of all ranks
  std::vector<KernelTime> kernel_times;       ///< this rank's from its second step on; none if kernels are not timed
  WrittenTrace trace;
  int ranks = 1;
  std::filesystem::path checkpoint;  ///< the last one
  std::filesystem::path model;       ///< exported folder; empty where none was written
};

/// Collective. Throws Error.
TrainReport train(const Configuration& configuration, Device& device, Communicator& communicator,
                  const TrainOptions& options);

}  // namespace temper
