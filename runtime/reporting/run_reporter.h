// Notifies a run's observers (runtime/reporting/run_observer.h) of its events. Only rank 0 has observers; on the others
// every call does nothing.
#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/model.h"
#include "model/weights.h"
#include "runtime/config/config.h"
#include "runtime/reporting/progress.h"
#include "runtime/reporting/run_observer.h"
#include "runtime/tasks/metrics.h"

namespace temper {

class RunReporter {
 public:
  /// With `reports`, progress is shown on `stream` (borrowed) from now on.
  RunReporter(const OutputSection& output, bool reports, std::FILE* stream, bool terminal, int columns);

  /// One more observer, told after the others. Nothing where this rank does not report.
  void add(std::unique_ptr<RunObserver> observer);
  /// Opens metrics.jsonl and the TensorBoard file in the run's folder. Before it nothing is logged.
  void open_logs(const std::filesystem::path& folder, std::optional<std::int64_t> resume_step);

  /// While it is quiet, observers are told of nothing.
  void set_quiet(bool quiet);

  void say(const std::string& text);
  void weights(const LoadReport& report);
  void start(const RunSummary& summary);
  /// `begins`: false where a resumed run goes on inside a phase, whose begin is in the log already.
  void phase(std::size_t index, std::size_t phases, const Model& model, std::int64_t step, bool begins);
  /// So many stages from the bottom up are frozen and run without dropout; nothing is said of none.
  void without_dropout(std::int64_t frozen_stages);
  /// Of the first step of which nothing counts it says so.
  void step(const ProgressLine& line);
  /// `set`: as EvaluationSummary has it.
  void evaluation(std::int64_t step, double epoch, const Metrics& metrics, bool best, std::string_view set = {});
  void test(std::int64_t step, const Metrics& metrics);
  void saved(std::int64_t step, const std::filesystem::path& checkpoint);
  void finish();

 private:
  bool reports_;
  std::int64_t log_every_;
  bool wants_tensorboard_;
  bool said_nothing_counts_ = false;
  std::vector<std::unique_ptr<RunObserver>> observers_;
  std::vector<std::unique_ptr<RunObserver>> quiet_;  ///< those that are told of nothing now
};

}  // namespace temper
