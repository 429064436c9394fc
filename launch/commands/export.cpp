// temper export: a checkpoint as a Hugging Face folder.
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "launch/commands/command.h"
#include "launch/commands/report.h"
#include "runtime/checkpointing.h"
#include "runtime/config.h"
#include "runtime/model_export.h"
#include "runtime/run_data.h"
#include "runtime/run_model.h"

namespace temper {
namespace {

struct ExportArguments {
  std::string checkpoint;
  std::string output;
  std::string base;
  bool json = false;
};

int run(const ExportArguments& arguments, CommandContext& context) {
  const std::unique_ptr<Device> device = make_cpu_device();
  const Checkpoint checkpoint = Checkpoint::open(arguments.checkpoint, context.world);
  const Configuration configuration = parse_configuration(checkpoint.configuration_toml(), arguments.checkpoint, {});
  const TrainingState state = parse_training_state(checkpoint.state_json());
  Lineage lineage = parse_lineage(checkpoint.lineage_json());
  const Task task = parse_task(configuration.model.task);
  const ModelFolder folder(arguments.base.empty() ? configuration.model.path : arguments.base,
                           truncation_side(configuration.data.truncate));
  const HeadRequest request{task, head_outputs(task, LabelSet::from_names(state.labels))};
  RunModel model(folder, request, -1.0, {/*replace_head=*/true, 0}, *device);
  if (context.speaks()) {
    if (const std::string digest = model.files.digest(); digest != lineage.base_model_sha256)
      throw Error("{}: belongs to a base model with SHA-256 {}, but {} holds {}; name the right folder with --base",
                  arguments.checkpoint, lineage.base_model_sha256.substr(0, 16), folder.path.string(),
                  digest.substr(0, 16));
    restore_parameters(checkpoint, *model.model, *device);
    lineage.steps = state.step;
    for (const auto& [name, value] : state.last_metrics) lineage.metrics.emplace_back("validation " + name, value);
    export_trained_model(*model.model, *device, task, folder.source(), state.labels, lineage, arguments.output);
    if (arguments.json) {
      print_json({{"model", arguments.output}, {"step", state.step}});
    } else {
      std::printf("step %ld of %s is in %s\n", state.step, arguments.checkpoint.c_str(), arguments.output.c_str());
    }
  }
  context.world.barrier();
  return kExitDone;
}

}  // namespace

Command add_export_command(CLI::App& app) {
  auto arguments = std::make_shared<ExportArguments>();
  CLI::App* command = app.add_subcommand("export", "Turn a checkpoint into a Hugging Face folder");
  command->add_option("checkpoint", arguments->checkpoint, "Checkpoint file (.h5)")->required();
  command->add_option("-o,--output", arguments->output, "Folder to write")->required();
  command->add_option("--base", arguments->base, "Folder of the base model, where it is not at model.path any more");
  command->add_flag("--json", arguments->json, "Print one JSON object as the last line");
  command->footer(
      "Example:\n  temper export runs/sentiment/checkpoints/checkpoint-00000642.h5 -o models/sentiment-642");
  return {command, [arguments](CommandContext& context) { return run(*arguments, context); }};
}

}  // namespace temper
