#include "runtime/finished_run.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/mapped_file.h"
#include "model/adapters/peft_folder.h"
#include "runtime/checkpoints/resumption.h"
#include "runtime/environment/input_places.h"
#include "runtime/inputs/trained_use.h"

namespace temper {
namespace {

/// Whether this host lacks the base model or data, which the same files elsewhere may replace in a run that goes on.
bool lacks_inputs(const Configuration& configuration) {
  std::error_code unknown;
  const auto is_absent = [&](const std::filesystem::path& path) { return !std::filesystem::exists(path, unknown); };
  const std::vector<DataInput> inputs = data_inputs(configuration);
  return is_absent(configuration.model.path) ||
         std::any_of(inputs.begin(), inputs.end(), [&](const DataInput& input) { return is_absent(input.path); });
}

/// The last line of this kind; null where there is none.
nlohmann::ordered_json last_event(const std::filesystem::path& log, std::string_view kind) {
  nlohmann::ordered_json last;
  std::error_code absent;
  if (!std::filesystem::is_regular_file(log, absent)) return last;
  std::istringstream lines(read_text_file(log));
  for (std::string line; std::getline(lines, line);) {
    auto event = nlohmann::ordered_json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (event.is_object() && event.contains("kind") && event["kind"] == kind) last = std::move(event);
  }
  return last;
}

/// The other way round as with_bounds.
Metrics metrics_of(const nlohmann::ordered_json& event) {
  Metrics metrics;
  const auto number = [&](const std::string& name) { return event.contains(name) && event[name].is_number(); };
  for (const auto& [name, value] : event.items()) {
    if (name == "step" || !value.is_number()) continue;
    const bool is_bound = (name.ends_with("_low") && number(name.substr(0, name.size() - 4))) ||
                          (name.ends_with("_high") && number(name.substr(0, name.size() - 5)));
    if (is_bound) continue;
    metrics.values.emplace_back(name, value.get<double>());
    if (number(name + "_low") && number(name + "_high"))
      metrics.intervals.push_back({name, {event[name + "_low"].get<double>(), event[name + "_high"].get<double>()}});
  }
  return metrics;
}

}  // namespace

void recall_measures(TrainReport& report, const std::filesystem::path& folder) {
  report.test = metrics_of(last_event(folder / "metrics.jsonl", "test"));
  if (const std::optional<TrainedUse> use = read_trained_use(folder / "model")) report.calibration = use->calibration;
}

std::optional<TrainReport> finished_without_inputs(const Configuration& configuration, Communicator& communicator) {
  std::vector<std::int64_t> lacks{lacks_inputs(configuration) ? 1 : 0};
  communicator.all_reduce(std::span(lacks), Reduction::max);
  if (lacks.front() == 0) return std::nullopt;
  const std::filesystem::path model = std::filesystem::path(configuration.output.dir) / "model";
  std::vector<std::int64_t> delivered{
      std::filesystem::exists(model / "config.json") || std::filesystem::exists(model / kPeftConfigFile) ? 1 : 0};
  communicator.all_reduce(std::span(delivered), Reduction::min);
  if (delivered.front() == 0) return std::nullopt;
  const std::optional<Resumption> found =
      find_checkpoint_to_resume(configuration, communicator, [](const std::string&) {});
  if (!found || !found->state.finished || found->length_before) return std::nullopt;
  TrainReport report;
  report.already_finished = true;
  report.steps = report.total_steps = found->state.step;
  report.ranks = communicator.size();
  report.best_step = found->state.best_step;
  report.best.values = found->state.best_metrics;
  report.last.values = found->state.last_metrics;
  report.checkpoint = found->found.path;
  report.model = model;
  recall_measures(report, configuration.output.dir);
  return report;
}

}  // namespace temper
