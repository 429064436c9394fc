#include "runtime/reporting/run_observers.h"

#include <fmt/format.h>

#include <vector>

#include "base/counted.h"
#include "base/human_numbers.h"

namespace temper {

ProgressObserver::ProgressObserver(std::FILE* stream, bool terminal, int columns)
    : progress_(stream, terminal, columns), terminal_(terminal) {}

void ProgressObserver::start(const RunSummary& summary) {
  if (summary.of_images) progress_.count_images();
  std::string rows = grouped(summary.train_rows, summary.of_images ? "picture" : "row") + " to train on";
  if (summary.unreadable_rows > 0)
    rows += fmt::format(" ({} of them cannot be read; the next in the list takes the place of each)",
                        grouped(summary.unreadable_rows));
  if (summary.validation_rows > 0) rows += ", " + grouped(summary.validation_rows) + " to validate";
  if (summary.test_rows > 0) rows += ", " + grouped(summary.test_rows) + " to test";
  if (summary.labels > 0) rows += ", " + counted(summary.labels, "label");
  message(rows);
  const std::string each =
      summary.device == "cpu" ? "of " + counted(summary.threads, "thread") : fmt::format("on {}", summary.device);
  message(fmt::format("{} {}, {}, {}{}", counted(summary.ranks, "rank"), each, counted(summary.grains, "grain"),
                      grouped(summary.total_steps, "step"),
                      summary.first_step > 0 ? ", resuming from step " + grouped(summary.first_step) : ""));
  if (!summary.job.exists()) return;
  message(summary.job.text());
  const int used = summary.threads * summary.local_ranks;
  if (summary.device == "cpu" && summary.job.cores > used)
    message(
        fmt::format("{} of the {} cores that the job has on a node {} used; give a rank more (srun --cpus-per-task, "
                    "mpirun --map-by slot:PE=N), or start more ranks",
                    used, summary.job.cores, plural(used, "is", "are")));
}

void ProgressObserver::phase(const PhaseSummary& phase) {
  const std::string which = phase.phases > 1 ? fmt::format("phase {} of {}: ", phase.index + 1, phase.phases) : "";
  message(fmt::format("{}training {} of {} parameters", which, grouped(phase.trained_parameters),
                      grouped(phase.parameters)));
}

void ProgressObserver::step(const ProgressLine& line, bool logged) {
  if (logged || terminal_) progress_.update(line);
}

void ProgressObserver::evaluation(const EvaluationSummary& evaluation) {
  progress_.evaluation(evaluation.epoch, evaluation.metrics, evaluation.best, evaluation.set);
}

void ProgressObserver::saved(std::int64_t /*step*/, const std::filesystem::path& checkpoint) {
  message("saved " + checkpoint.string());
}

void RecordingObserver::phase(const PhaseSummary& phase) {
  if (!phase.begins) return;
  record(phase.step, "phase",
         std::vector<std::pair<std::string, double>>{
             {"phase", static_cast<double>(phase.index)},
             {"trained_parameters", static_cast<double>(phase.trained_parameters)}});
}

void RecordingObserver::step(const ProgressLine& line, bool logged) {
  if (!logged) return;
  std::vector<std::pair<std::string, double>> values{{"epoch", line.epoch},
                                                     {"loss", line.loss},
                                                     {"learning_rate", line.learning_rate},
                                                     {"gradient_norm", line.gradient_norm},
                                                     {"examples_per_second", line.examples_per_second},
                                                     {"tokens_per_second", line.tokens_per_second}};
  values.insert(values.end(), line.measures.begin(), line.measures.end());
  record(line.step, "train", values);
}

void RecordingObserver::evaluation(const EvaluationSummary& evaluation) {
  std::vector<std::pair<std::string, double>> values{{"epoch", evaluation.epoch}};
  if (evaluation.set.empty()) values.emplace_back("best", evaluation.best ? 1.0 : 0.0);
  values.insert(values.end(), evaluation.metrics.values.begin(), evaluation.metrics.values.end());
  record(evaluation.step, evaluation.set.empty() ? "evaluation" : fmt::format("evaluation/{}", evaluation.set), values);
}

void RecordingObserver::test(std::int64_t step, const Metrics& metrics) {
  record(step, "test", with_bounds(metrics.values, metrics.intervals));
}

void RecordingObserver::saved(std::int64_t step, const std::filesystem::path& /*checkpoint*/) {
  record(step, "checkpoint", {});
}

void EventLogObserver::start(const RunSummary& summary) {
  if (!summary.job.exists()) return;
  log_.write_job(summary.first_step, summary.job.name, summary.job.nodes, summary.job.restarts, summary.ranks);
}

void TensorboardObserver::record(std::int64_t step, const std::string& kind, Values values) {
  for (const auto& [name, value] : values) writer_.scalar(kind + "/" + name, value, step);
  writer_.flush();
}

}  // namespace temper
