// temper train --probe-rate: tries learning rates for a few steps each, all from the same weights, the same optimizer
// and the same rows in the same order, and recommends one. A learning-rate range test (Smith: "Cyclical learning rates
// for training neural networks", 2017, section 3.3), but with a start of its own for each rate: what a rate does then
// does not depend on the rates before it.
//
// Each rate's losses have the bits of a run of so many steps with train.schedule = "constant" and no warmup, on any
// number of ranks.
#pragma once

#include "comm/communicator.h"
#include "runtime/config/config.h"
#include "runtime/probing/probe_record.h"
#include "runtime/probing/rate_advice.h"
#include "runtime/probing/rate_grid.h"
#include "runtime/trainer.h"
#include "tensor/device.h"

namespace temper {

struct ProbeReport {
  bool stopped = false;  ///< by a signal: there is no advice, and nothing was written
  ProbedCurve curve;     ///< as far as it came
  RateAdvice advice;
  ProbeFiles files;
};

/// Collective. The run's folder keeps what it has, and gets rate-probe.json and rate-probe.svg. Ranks try the rates of
/// rank 0. Throws Error as train() does, where the untrained model has no finite loss, and where the run's time
/// (run.max_minutes, the job's end) is up before the end.
ProbeReport probe_rates(const Configuration& configuration, const ProbeRequest& request, Device& device,
                        Communicator& communicator, const TrainOptions& options);

}  // namespace temper
