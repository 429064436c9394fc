// A whole fine-tune: from a configuration to a trained model, its metrics and its checkpoints.
#pragma once

#include <cstdio>
#include <functional>
#include <optional>

#include "comm/communicator.h"
#include "runtime/config/config.h"
#include "runtime/environment/job.h"
#include "runtime/reporting/run_trace.h"
#include "runtime/reporting/train_report.h"
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

/// Collective. Throws Error.
TrainReport train(const Configuration& configuration, Device& device, Communicator& communicator,
                  const TrainOptions& options);

}  // namespace temper
