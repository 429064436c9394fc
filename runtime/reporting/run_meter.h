// Time, speed and memory of this start of a run, for the progress line and the report.
#pragma once

#include <cstdint>

#include "base/clock.h"
#include "comm/communicator.h"
#include "runtime/reporting/progress.h"
#include "runtime/reporting/throughput.h"
#include "runtime/reporting/train_report.h"
#include "runtime/steps/training_state.h"
#include "runtime/steps/training_step.h"
#include "tensor/device.h"

namespace temper {

class RunMeter {
 public:
  /// The start begins now, and its process began `process_seconds` ago.
  explicit RunMeter(double process_seconds) : process_seconds_(process_seconds) {}

  void add_step(double seconds, std::int64_t examples, std::int64_t tokens);
  /// What steps had to wait for.
  void add_preparation(double seconds) { throughput_.add_preparation(seconds); }
  void add_evaluation() { ++evaluations_; }
  void end_epoch() { throughput_.end_epoch(); }

  /// Steps of this start.
  [[nodiscard]] std::int64_t steps() const { return throughput_.steps(); }
  /// Whether this start has got anywhere: by a step, or by an evaluation.
  [[nodiscard]] bool has_progressed() const { return steps() > 0 || evaluations_ > 0; }
  /// What is shown of the step that led to `state`, in a run of `total_steps`; `epochs`: done, with their fraction.
  [[nodiscard]] ProgressLine line(const TrainingState& state, std::int64_t total_steps, double epochs,
                                  const StepOutcome& outcome, double learning_rate) const;
  /// Collective. Fills in seconds, rates, this rank's kernels, and the largest memory of all ranks.
  void tell(TrainReport& report, const Device& device, Communicator& communicator) const;

 private:
  double process_seconds_;
  Clock::time_point start_ = Clock::now();
  std::int64_t evaluations_ = 0;
  double seconds_to_first_step_ = 0.0;
  Throughput throughput_;
};

}  // namespace temper
