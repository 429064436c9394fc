// The events of a run, in order, for those that watch it: one interface, which the progress for people, metrics.jsonl
// and the TensorBoard curves implement (runtime/reporting/run_observers.h). Events that are not overridden are ignored.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "runtime/environment/job.h"
#include "runtime/reporting/progress.h"
#include "runtime/tasks/metrics.h"

namespace temper {

struct RunSummary {
  int ranks = 1;
  int threads = 1;
  std::string device;
  std::int64_t train_rows = 0;
  std::int64_t unreadable_rows = 0;  ///< of them, pictures that are skipped: the next one takes the place of each
  std::int64_t validation_rows = 0;
  std::int64_t test_rows = 0;
  std::int64_t labels = 0;
  std::int64_t first_step = 0;  ///< above 0 in a run that goes on
  std::int64_t total_steps = 0;
  int grains = 1;
  int local_ranks = 1;  ///< on the node of rank 0
  Job job = {};
  bool of_images = false;  ///< rows are pictures
};

struct PhaseSummary {
  std::int64_t step = 0;  ///< that it is taken up at
  std::size_t index = 0;
  std::size_t phases = 1;               ///< of the run
  std::int64_t trained_parameters = 0;  ///< elements
  std::int64_t parameters = 0;          ///< of the model
  bool begins = true;                   ///< false where a resumed run goes on inside it
};

struct EvaluationSummary {
  std::int64_t step = 0;
  double epoch = 0.0;  ///< epochs done, with their fraction
  const Metrics& metrics;
  bool best = false;          ///< so far
  std::string_view set = {};  ///< of evaluate.sets; empty: the validation rows
};

class RunObserver {
 public:
  virtual ~RunObserver() = default;

  /// A sentence for a person.
  virtual void message(const std::string& /*text*/) {}
  /// Before the first step of this start.
  virtual void start(const RunSummary& /*summary*/) {}
  virtual void phase(const PhaseSummary& /*phase*/) {}
  /// Each step. `logged`: one of those that a log has room for (output.log_every).
  virtual void step(const ProgressLine& /*line*/, bool /*logged*/) {}
  virtual void evaluation(const EvaluationSummary& /*evaluation*/) {}
  /// Never without a metric.
  virtual void test(std::int64_t /*step*/, const Metrics& /*metrics*/) {}
  virtual void saved(std::int64_t /*step*/, const std::filesystem::path& /*checkpoint*/) {}
  virtual void finish() {}
};

}  // namespace temper
