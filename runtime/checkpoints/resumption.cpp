#include "runtime/checkpoints/resumption.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/counted.h"
#include "base/error.h"
#include "model/huggingface/lineage.h"
#include "runtime/inputs/data_origin.h"
#include "runtime/steps/phases.h"

namespace temper {
namespace {

/// Why the rates of a run so far would have been others, had it been planned to be longer; empty if they would not.
std::string bound_to_length(const Configuration& configuration) {
  if (configuration.train.schedule != "constant")
    return fmt::format("the rates of train.schedule = {} depend on the number of steps", configuration.train.schedule);
  if (!configuration.tuning.phases.empty()) return "the phases depend on the number of steps";
  return "";
}

/// How to train on where this run cannot be made longer.
std::string other_way(const std::filesystem::path& output, const std::filesystem::path& checkpoint) {
  std::error_code absent;
  const std::filesystem::path model = output / "model";
  if (std::filesystem::exists(model / "config.json", absent))
    return fmt::format("set model.path = \"{}\" and another output.dir", model.string());
  return fmt::format("run temper export {} -o FOLDER and set model.path to that folder, with another output.dir",
                     checkpoint.string());
}

/// A sentence for each key whose files have the content of before under other names.
std::vector<std::string> moved_files(const Lineage& before, const Lineage& now, const Configuration& then,
                                     const Configuration& configuration) {
  struct Key {
    const char* role;
    OneOrMore DataSection::*names;
  };
  constexpr Key kKeys[] = {
      {"train", &DataSection::train}, {"validation", &DataSection::validation}, {"test", &DataSection::test}};
  std::vector<std::string> sentences;
  for (const auto& [role, names] : kKeys) {
    const std::string was = (then.data.*names).text();
    const std::string is = (configuration.data.*names).text();
    if (was != is && same_content(role, before.data_files, now.data_files))
      sentences.push_back(
          fmt::format("data.{} is {} now and was {} when the run began; the content is the same", role, is, was));
  }
  return sentences;
}

[[noreturn]] void refuse(const std::filesystem::path& checkpoint, const std::vector<std::string>& keys,
                         const Configuration& configuration, const std::string& bound) {
  const std::string differs = fmt::format("{}: was written with another configuration (it differs in {})",
                                          checkpoint.string(), fmt::join(keys, ", "));
  if (bound.empty())
    throw usage_error("{}; set them back to go on, choose another output.dir, or start anew with --fresh", differs);
  throw usage_error(
      "{}, and {}, so this run cannot be given another length; to train its model on, {}; or set them back, or start "
      "anew with --fresh",
      differs, bound, other_way(configuration.output.dir, checkpoint));
}

}  // namespace

std::optional<Resumption> find_checkpoint_to_resume(const Configuration& configuration, Communicator& communicator,
                                                    const std::function<void(const std::string&)>& warn) {
  if (!configuration.checkpoint.resume) return {};
  const std::filesystem::path folder = std::filesystem::path(configuration.output.dir) / "checkpoints";
  std::optional<FoundCheckpoint> found = newest_good_checkpoint(folder, communicator, warn);
  if (!found) return {};
  const Configuration before = parse_configuration(found->checkpoint.configuration_toml(), found->path.string(), {});
  TrainingState state = parse_training_state(found->checkpoint.state_json());
  std::vector<std::string> keys = differing_keys(before, configuration);
  // Files are known by their content, which require_same_origin looks at.
  if (!before.data.validation.empty() && !configuration.data.validation.empty()) std::erase(keys, "data.validation");
  if (keys.empty()) return Resumption{std::move(*found), std::move(state), {}};
  const bool of_length = std::all_of(keys.begin(), keys.end(), [](const std::string& key) {
    return key == "train.epochs" || key == "train.max_steps";
  });
  const std::string bound = of_length ? bound_to_length(configuration) : "";
  if (!of_length || !bound.empty()) refuse(found->path, keys, configuration, bound);
  return Resumption{std::move(*found), std::move(state), before.train};
}

void change_length(TrainingState& state, const TrainSection& before, const TuningSection& tuning,
                   std::int64_t steps_per_epoch, std::int64_t total_steps) {
  if (total_steps < state.step)
    throw usage_error(
        "the run has {} behind it, but train.epochs and train.max_steps ask for {}; ask for more, choose another "
        "output.dir, or start anew with --fresh",
        counted(state.step, "step"), total_steps);
  if (state.warmup_steps < 0) {
    const std::int64_t steps_before = plan_phases(tuning, before, steps_per_epoch, state.phase_ends).back().end_step;
    state.warmup_steps = warmup_steps(before, steps_before);
  }
  if (total_steps > state.step) state.finished = false;
}

TrainSection schedule_of(const TrainSection& train, const TrainingState& state) {
  TrainSection schedule = train;
  if (state.warmup_steps < 0) return schedule;
  schedule.warmup_steps = state.warmup_steps;
  schedule.warmup_ratio = 0.0;
  return schedule;
}

std::vector<std::string> require_same_origin(const FoundCheckpoint& found, const Lineage& now,
                                             const Configuration& configuration) {
  const Lineage before = parse_lineage(found.checkpoint.lineage_json());
  if (before.base_model_sha256 != now.base_model_sha256)
    throw Error(before.base_model == now.base_model ? ErrorKind::failure : ErrorKind::usage,
                fmt::format("{}: belongs to the base model {} with SHA-256 {}, but {} holds {}; go on with that model, "
                            "choose another output.dir, or start anew with --fresh",
                            found.path.string(), before.base_model, before.base_model_sha256.substr(0, 16),
                            configuration.model.path, now.base_model_sha256.substr(0, 16)));
  require_same_data_files(found.path, before.data_files, now.data_files);
  // Checkpoints of older versions do not tell.
  if (!before.chat_template.empty() && before.chat_template != now.chat_template)
    throw Error(
        "{}: was trained with another version of the chat template {} (data.chat_template); put that file back, choose "
        "another output.dir, or start anew with --fresh",
        found.path.string(), configuration.data.chat_template);
  return moved_files(before, now, parse_configuration(found.checkpoint.configuration_toml(), found.path.string(), {}),
                     configuration);
}

}  // namespace temper
