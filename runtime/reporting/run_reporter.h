// The voice of a run: progress for people, metrics.jsonl and TensorBoard curves for programs. Only rank 0 has one; on
// the others every call does nothing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "model/model.h"
#include "model/weights.h"
#include "runtime/config/config.h"
#include "runtime/environment/job.h"
#include "runtime/evaluation/metrics.h"
#include "runtime/reporting/event_log.h"
#include "runtime/reporting/progress.h"
#include "runtime/reporting/tensorboard_writer.h"

namespace temper {

struct RunSummary {
  int ranks = 1;
  int threads = 1;
  std::string device;
  std::int64_t train_rows = 0;
  std::int64_t validation_rows = 0;
  std::int64_t test_rows = 0;
  std::int64_t labels = 0;
  std::int64_t first_step = 0;  ///< above 0 in a run that goes on
  std::int64_t total_steps = 0;
  int grains = 1;
  int local_ranks = 1;  ///< on the node of rank 0
  Job job = {};
};

class RunReporter {
 public:
  RunReporter(const OutputSection& output, bool speaks, std::FILE* stream, bool terminal, int columns);

  /// Opens metrics.jsonl and the TensorBoard file in the run's folder. Before it nothing is logged.
  void open_logs(const std::filesystem::path& folder, std::optional<std::int64_t> resume_step);

  void say(const std::string& text);
  void weights(const LoadReport& report);
  void start(const RunSummary& summary);
  /// `begins`: false where a resumed run goes on inside a phase, whose begin is in the log already.
  void phase(std::size_t index, std::size_t phases, const Model& model, std::int64_t step, bool begins);
  /// So many stages from the bottom up are frozen and run without dropout; nothing is said of none.
  void without_dropout(std::int64_t frozen_stages);
  void step(const ProgressLine& line);
  void evaluation(std::int64_t step, double epoch, const Metrics& metrics, bool best);
  void test(std::int64_t step, const Metrics& metrics);
  void saved(std::int64_t step, const std::filesystem::path& checkpoint);
  void finish();

 private:
  void log(std::int64_t step, const std::string& kind, const std::vector<std::pair<std::string, double>>& values);

  bool speaks_;
  bool terminal_;
  std::int64_t log_every_;
  bool wants_tensorboard_;
  std::optional<Progress> progress_;
  std::optional<EventLog> events_;
  std::optional<TensorboardWriter> tensorboard_;
};

}  // namespace temper
