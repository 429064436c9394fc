#include "runtime/finished_run.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include "model/adapters/peft_folder.h"
#include "runtime/checkpoints/resumption.h"
#include "runtime/environment/input_places.h"

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

}  // namespace

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
  return report;
}

}  // namespace temper
