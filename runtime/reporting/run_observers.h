// The observers that a run has: progress on a stream, metrics.jsonl, and the curves of TensorBoard.
#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "runtime/reporting/event_log.h"
#include "runtime/reporting/progress.h"
#include "runtime/reporting/run_observer.h"
#include "runtime/reporting/tensorboard_writer.h"

namespace temper {

/// For people: sentences, and a bar or a line per logged step.
class ProgressObserver final : public RunObserver {
 public:
  /// As Progress.
  ProgressObserver(std::FILE* stream, bool terminal, int columns);

  void message(const std::string& text) override { progress_.message(text); }
  void start(const RunSummary& summary) override;
  void phase(const PhaseSummary& phase) override;
  void step(const ProgressLine& line, bool logged) override;
  void evaluation(const EvaluationSummary& evaluation) override;
  void saved(std::int64_t step, const std::filesystem::path& checkpoint) override;
  void finish() override { progress_.finish(); }

 private:
  Progress progress_;
  bool terminal_;
};

/// What happens as records of named numbers, for programs: a step, a kind (train, evaluation, evaluation/NAME of a set,
/// test, phase, checkpoint) and the numbers.
class RecordingObserver : public RunObserver {
 public:
  void phase(const PhaseSummary& phase) final;
  void step(const ProgressLine& line, bool logged) final;
  void evaluation(const EvaluationSummary& evaluation) final;
  void test(std::int64_t step, const Metrics& metrics) final;
  void saved(std::int64_t step, const std::filesystem::path& checkpoint) final;

 protected:
  using Values = std::span<const std::pair<std::string, double>>;
  virtual void record(std::int64_t step, const std::string& kind, Values values) = 0;
};

class EventLogObserver final : public RecordingObserver {
 public:
  /// As EventLog.
  EventLogObserver(const std::filesystem::path& file, std::optional<std::int64_t> resume_step)
      : log_(file, resume_step) {}

  void start(const RunSummary& summary) override;

 private:
  void record(std::int64_t step, const std::string& kind, Values values) override { log_.write(step, kind, values); }

  EventLog log_;
};

class TensorboardObserver final : public RecordingObserver {
 public:
  /// As TensorboardWriter.
  TensorboardObserver(const std::filesystem::path& folder, std::optional<std::int64_t> resume_step)
      : writer_(folder, resume_step) {}

 private:
  /// A curve per number, in the group of its kind.
  void record(std::int64_t step, const std::string& kind, Values values) override;

  TensorboardWriter writer_;
};

}  // namespace temper
