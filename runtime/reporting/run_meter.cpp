#include "runtime/reporting/run_meter.h"

#include <array>
#include <span>

#include "base/memory_usage.h"

namespace temper {

void RunMeter::add_step(double seconds, std::int64_t examples, std::int64_t tokens) {
  throughput_.add_step(seconds, examples, tokens);
  if (steps() == 1) seconds_to_first_step_ = process_seconds_ + seconds_since(start_);
}

ProgressLine RunMeter::line(const TrainingState& state, std::int64_t total_steps, double epochs,
                            const StepOutcome& outcome, double learning_rate) const {
  ProgressLine line;
  line.step = state.step;
  line.total_steps = total_steps;
  line.epoch = epochs;
  line.loss = outcome.loss;
  line.counts = outcome.weight != 0.0;
  line.measures = outcome.measures;
  line.learning_rate = learning_rate;
  line.gradient_norm = outcome.gradient_norm;
  line.examples_per_second = throughput_.step_examples_per_second();
  line.tokens_per_second = throughput_.step_tokens_per_second();
  line.seconds_left = static_cast<double>(total_steps - state.step) * throughput_.seconds_per_step();
  return line;
}

void RunMeter::tell(TrainReport& report, const Device& device, Communicator& communicator) const {
  report.examples_per_second = throughput_.examples_per_second();
  report.last_epoch_examples_per_second = throughput_.last_epoch_examples_per_second();
  report.tokens_per_second = throughput_.tokens_per_second();
  report.cache_seconds = throughput_.preparation_seconds();
  report.seconds = process_seconds_ + seconds_since(start_);
  report.seconds_to_first_step = seconds_to_first_step_;
  std::array<std::int64_t, 3> most{peak_resident_bytes(), device.peak_memory_bytes(), proportional_bytes()};
  communicator.all_reduce(std::span(most), Reduction::max);
  report.peak_memory_bytes = most[0];
  report.peak_device_memory_bytes = most[1];
  report.proportional_memory_bytes = most[2];
  report.kernel_times = device.kernel_times();
  report.ranks = communicator.size();
}

}  // namespace temper
