#include "runtime/reporting/run_reporter.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/counted.h"
#include "runtime/reporting/run_observers.h"

namespace temper {
namespace {

std::string listed(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 6;
  std::string text;
  for (std::size_t i = 0; i < std::min(kShown, names.size()); ++i) text += (i == 0 ? "" : ", ") + names[i];
  return names.size() > kShown ? fmt::format("{} and {} more", text, names.size() - kShown) : text;
}

}  // namespace

RunReporter::RunReporter(const OutputSection& output, bool reports, std::FILE* stream, bool terminal, int columns)
    : reports_(reports), log_every_(output.log_every), wants_tensorboard_(output.tensorboard) {
  if (reports_) add(std::make_unique<ProgressObserver>(stream, terminal, columns));
}

void RunReporter::add(std::unique_ptr<RunObserver> observer) {
  if (reports_) observers_.push_back(std::move(observer));
}

void RunReporter::open_logs(const std::filesystem::path& folder, std::optional<std::int64_t> resume_step) {
  if (!reports_) return;
  add(std::make_unique<EventLogObserver>(folder / "metrics.jsonl", resume_step));
  if (wants_tensorboard_) add(std::make_unique<TensorboardObserver>(folder / "tensorboard", resume_step));
}

void RunReporter::set_quiet(bool quiet) {
  std::vector<std::unique_ptr<RunObserver>>& from = quiet ? observers_ : quiet_;
  std::vector<std::unique_ptr<RunObserver>>& to = quiet ? quiet_ : observers_;
  std::move(from.begin(), from.end(), std::back_inserter(to));
  from.clear();
}

void RunReporter::say(const std::string& text) {
  for (const auto& observer : observers_) observer->message(text);
}

void RunReporter::weights(const LoadReport& report) {
  if (!report.initialized.empty()) say("newly initialised: " + listed(report.initialized));
  if (!report.replaced.empty()) say("replaced weights: " + listed(report.replaced));
  if (!report.unexpected.empty()) say("weights that this model has no use for: " + listed(report.unexpected));
  for (const std::string& note : report.notes) say(note);
}

void RunReporter::start(const RunSummary& summary) {
  for (const auto& observer : observers_) observer->start(summary);
}

void RunReporter::phase(std::size_t index, std::size_t phases, const Model& model, std::int64_t step, bool begins) {
  PhaseSummary summary{step, index, phases, 0, 0, begins};
  for (const Parameter& parameter : model.parameters().all()) {
    summary.parameters += parameter.size();
    if (parameter.trainable()) summary.trained_parameters += parameter.size();
  }
  for (const auto& observer : observers_) observer->phase(summary);
}

void RunReporter::without_dropout(std::int64_t frozen_stages) {
  if (frozen_stages == 0) return;
  const std::int64_t layers = frozen_stages - 1;
  const std::string also = layers == 0 ? "" : " and " + counted(layers, "layer");
  say("frozen from the bottom, without dropout: the embeddings" + also);
}

void RunReporter::step(const ProgressLine& line) {
  const bool logged = line.step % log_every_ == 0 || line.step == line.total_steps || line.step == 1;
  for (const auto& observer : observers_) observer->step(line, logged);
  if (line.counts || std::exchange(said_nothing_counts_, true)) return;
  say(fmt::format(
      "step {} had nothing to learn from: nothing in its rows counts, and its loss is shown as 0; no more is said of "
      "such steps",
      line.step));
}

void RunReporter::evaluation(std::int64_t step, double epoch, const Metrics& metrics, bool best, std::string_view set) {
  for (const auto& observer : observers_) observer->evaluation({step, epoch, metrics, best, set});
}

void RunReporter::test(std::int64_t step, const Metrics& metrics) {
  if (metrics.values.empty()) return;
  for (const auto& observer : observers_) observer->test(step, metrics);
}

void RunReporter::saved(std::int64_t step, const std::filesystem::path& checkpoint) {
  for (const auto& observer : observers_) observer->saved(step, checkpoint);
}

void RunReporter::finish() {
  for (const auto& observer : observers_) observer->finish();
}

}  // namespace temper
