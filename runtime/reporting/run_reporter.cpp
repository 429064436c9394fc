#include "runtime/reporting/run_reporter.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/human_numbers.h"

namespace temper {
namespace {

std::string listed(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 6;
  std::string text;
  for (std::size_t i = 0; i < std::min(kShown, names.size()); ++i) text += (i == 0 ? "" : ", ") + names[i];
  return names.size() > kShown ? fmt::format("{} and {} more", text, names.size() - kShown) : text;
}

}  // namespace

RunReporter::RunReporter(const OutputSection& output, bool speaks, std::FILE* stream, bool terminal, int columns)
    : speaks_(speaks), terminal_(terminal), log_every_(output.log_every), wants_tensorboard_(output.tensorboard) {
  if (speaks_) progress_.emplace(stream, terminal, columns);
}

void RunReporter::open_logs(const std::filesystem::path& folder, std::optional<std::int64_t> resume_step) {
  if (!speaks_) return;
  events_.emplace(folder / "metrics.jsonl", resume_step);
  if (wants_tensorboard_) tensorboard_.emplace(folder / "tensorboard", resume_step);
}

void RunReporter::log(std::int64_t step, const std::string& kind,
                      const std::vector<std::pair<std::string, double>>& values) {
  if (events_) events_->write(step, kind, values);
  if (!tensorboard_) return;
  for (const auto& [name, value] : values) tensorboard_->scalar(kind + "/" + name, value, step);
  tensorboard_->flush();
}

void RunReporter::say(const std::string& text) {
  if (progress_) progress_->message(text);
}

void RunReporter::weights(const LoadReport& report) {
  if (!report.initialized.empty()) say("new weights: " + listed(report.initialized));
  if (!report.replaced.empty()) say("replaced weights: " + listed(report.replaced));
  if (!report.unexpected.empty()) say("weights that this model has no use for: " + listed(report.unexpected));
}

void RunReporter::start(const RunSummary& summary) {
  std::string rows = grouped(summary.train_rows) + " rows to train on";
  if (summary.validation_rows > 0) rows += ", " + grouped(summary.validation_rows) + " to validate";
  if (summary.test_rows > 0) rows += ", " + grouped(summary.test_rows) + " to test";
  if (summary.labels > 0) rows += fmt::format(", {} labels", summary.labels);
  say(rows);
  const std::string each = summary.device == "cpu"
                               ? fmt::format("of {} thread{}", summary.threads, summary.threads == 1 ? "" : "s")
                               : fmt::format("on {}", summary.device);
  say(fmt::format("{} rank{} {}, {} grain{}, {} steps{}", summary.ranks, summary.ranks == 1 ? "" : "s", each,
                  summary.grains, summary.grains == 1 ? "" : "s", grouped(summary.total_steps),
                  summary.first_step > 0 ? ", going on from step " + grouped(summary.first_step) : ""));
  if (!summary.job.exists()) return;
  say(summary.job.text());
  if (events_)
    events_->write_job(summary.first_step, summary.job.name, summary.job.nodes, summary.job.restarts, summary.ranks);
  const int used = summary.threads * summary.local_ranks;
  if (summary.device == "cpu" && summary.job.cores > used)
    say(
        fmt::format("{} of the {} cores that the job has on a node are used; give a rank more (srun --cpus-per-task, "
                    "mpirun --map-by slot:PE=N), or start more ranks",
                    used, summary.job.cores));
}

void RunReporter::phase(std::size_t index, std::size_t phases, const Model& model, std::int64_t step, bool begins) {
  std::int64_t trained = 0;
  std::int64_t all = 0;
  for (const Parameter& parameter : model.parameters().all()) {
    all += parameter.size();
    if (parameter.trainable()) trained += parameter.size();
  }
  const std::string which = phases > 1 ? fmt::format("phase {} of {}: ", index + 1, phases) : "";
  say(fmt::format("{}training {} of {} parameters", which, grouped(trained), grouped(all)));
  if (!begins) return;
  log(step, "phase", {{"phase", static_cast<double>(index)}, {"trained_parameters", static_cast<double>(trained)}});
}

void RunReporter::without_dropout(std::int64_t frozen_stages) {
  if (frozen_stages == 0) return;
  const std::int64_t layers = frozen_stages - 1;
  const std::string also = layers == 0 ? "" : fmt::format(" and {} layer{}", layers, layers == 1 ? "" : "s");
  say("frozen from the bottom, without dropout: the embeddings" + also);
}

void RunReporter::step(const ProgressLine& line) {
  if (!speaks_) return;
  const bool due = line.step % log_every_ == 0 || line.step == line.total_steps || line.step == 1;
  if (due)
    log(line.step, "train",
        {{"epoch", line.epoch},
         {"loss", line.loss},
         {"learning_rate", line.learning_rate},
         {"gradient_norm", line.gradient_norm},
         {"examples_per_second", line.examples_per_second},
         {"tokens_per_second", line.tokens_per_second}});
  if (due || terminal_) progress_->update(line);
}

void RunReporter::evaluation(std::int64_t step, double epoch, const Metrics& metrics, bool best) {
  if (progress_) progress_->evaluation(epoch, metrics, best);
  std::vector<std::pair<std::string, double>> values{{"epoch", epoch}, {"best", best ? 1.0 : 0.0}};
  values.insert(values.end(), metrics.values.begin(), metrics.values.end());
  log(step, "evaluation", values);
}

void RunReporter::test(std::int64_t step, const Metrics& metrics) {
  if (!metrics.values.empty()) log(step, "test", metrics.values);
}

void RunReporter::saved(std::int64_t step, const std::filesystem::path& checkpoint) {
  if (!speaks_) return;
  say("saved " + checkpoint.string());
  log(step, "checkpoint", {});
}

void RunReporter::finish() {
  if (progress_) progress_->finish();
}

}  // namespace temper
