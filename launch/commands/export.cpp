// temper export: a checkpoint, or a model, as a Hugging Face folder, an adapter or a GGUF file.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "launch/commands/command.h"
#include "launch/commands/report.h"
#include "launch/commands/table_options.h"
#include "model/adapters/peft_folder.h"
#include "model/gguf/gguf_file.h"
#include "model/gguf/quantize.h"
#include "model/huggingface/gguf_export.h"
#include "runtime/checkpoints/saved_parameters.h"
#include "runtime/config/config.h"
#include "runtime/evaluation/fitted_model.h"
#include "runtime/evaluation/measure_settings.h"
#include "runtime/inputs/chat_data.h"
#include "runtime/inputs/data_origin.h"
#include "runtime/inputs/run_adapter.h"
#include "runtime/inputs/run_data.h"
#include "runtime/inputs/run_model.h"
#include "runtime/model_export.h"
#include "version.h"

namespace temper {
namespace {

struct ExportArguments {
  std::string checkpoint;
  std::string output;
  std::string base;
  std::string gguf;  ///< a type of tensors; empty: a Hugging Face folder
  bool merge = false;
  bool adapter = false;
  bool json = false;
};

/// The folder of the base model. Its path in the checkpoint is seen from where the run was started.
std::string base_of(const ExportArguments& arguments, const Configuration& configuration) {
  if (!arguments.base.empty()) return arguments.base;
  std::error_code absent;
  if (!std::filesystem::exists(configuration.model.path, absent))
    throw Error(
        "{}: names {} as the folder of its base model, which is not to be found from here; say with --base "
        "where it is",
        arguments.checkpoint, configuration.model.path);
  return configuration.model.path;
}

/// Whether the path is of a model that needs no checkpoint: a folder in Hugging Face layout, or a GGUF file.
bool is_model(const std::filesystem::path& path) {
  std::error_code absent;
  return std::filesystem::exists(path / "config.json", absent) || is_gguf_file(path);
}

/// The folder of a run in place of one of its checkpoints is told which one to give.
void require_checkpoint_file(const std::filesystem::path& path) {
  std::error_code absent;
  if (!std::filesystem::is_directory(path, absent)) return;
  const std::filesystem::path newest = newest_checkpoint_of(path);
  if (newest.empty()) throw Error("{}: is a folder without checkpoints, expected a checkpoint (.h5)", path.string());
  throw Error("{}: is a folder, expected a checkpoint (.h5); its newest is {}", path.string(), newest.string());
}

/// Thresholds and temperature of the model that the checkpoint's run handed over, where it is of this step; else
/// nothing, and a line that says so where the run chooses some.
std::optional<Calibration> calibration_of(const ExportArguments& arguments, const Configuration& configuration,
                                          const TaskSpec& task, std::int64_t step, const CommandContext& context) {
  if (!is_judged(configuration.evaluate, task)) return std::nullopt;
  const std::filesystem::path run = std::filesystem::absolute(arguments.checkpoint).parent_path().parent_path();
  const std::optional<TrainedUse> delivered = read_trained_use(run / "model");
  if (delivered && delivered->steps == step && delivered->calibration) return delivered->calibration;
  print_note(context, delivered && delivered->calibration && delivered->steps
                          ? fmt::format("without thresholds and temperature: those of {} are of step {}",
                                        (run / "model").string(), *delivered->steps)
                          : std::string("without thresholds and temperature: they are chosen when a run ends, and its "
                                        "model is not beside this checkpoint, or has none"));
  return std::nullopt;
}

void report(const ExportArguments& arguments, std::int64_t step, const std::optional<Calibration>& calibration) {
  if (arguments.json) {
    print_json({{"model", arguments.output}, {"step", step}, {"calibration", calibration_json(calibration)}});
  } else {
    std::printf("step %ld of %s is in %s\n", step, arguments.checkpoint.c_str(), arguments.output.c_str());
  }
}

/// What a run's checkpoint is to become: a model, or the adapters that it trained.
bool exports_adapter(const ExportArguments& arguments, const Configuration& configuration, const TrainingState& state) {
  const bool trained_adapters = trains_adapters(configuration) && !state.adapters_merged;
  if (!trained_adapters && (arguments.merge || arguments.adapter))
    throw usage_error("{}: is of a run that trained the model itself and no adapters; leave {} out",
                      arguments.checkpoint, arguments.merge ? "--merge" : "--adapter");
  if (arguments.adapter && (arguments.merge || !arguments.gguf.empty()))
    throw usage_error("--adapter writes the adapters by themselves, and {} a model that has them merged in; choose one",
                      arguments.merge ? "--merge" : "--gguf");
  return trained_adapters && !arguments.merge && arguments.gguf.empty();
}

/// The tokenizer and the chat template must be those of the training. The template is in the checkpoint; older ones
/// name its file alone.
void take_reading_of_run(const ExportArguments& arguments, const Configuration& configuration, const Lineage& lineage,
                         ModelFolder& folder) {
  std::vector<DataFileLineage> files;
  add_model_files(files, folder.tokenizer_path, configuration.model.adapter);
  require_same_data_files(arguments.checkpoint, lineage.data_files, files);
  std::string own = lineage.chat_template;
  if (own.empty()) {
    try {
      own = text_of_own_template(configuration.data);
    } catch (const Error& error) {
      throw Error("{}: was trained with the chat template {}, which is not to be read from here: {}",
                  arguments.checkpoint, configuration.data.chat_template, error.what());
    }
  }
  if (!own.empty()) folder.own_chat_template = own;
}

/// An adapter takes the place of an older one, and a model that of an older model.
void require_same_kind(const std::string& output, bool is_adapter) {
  std::error_code absent;
  const std::filesystem::path folder(output);
  if (!std::filesystem::is_directory(folder, absent) || std::filesystem::is_empty(folder, absent)) return;
  if (is_adapter_folder(folder) == is_adapter) return;
  throw Error("{}: holds {}, which {} would replace; choose another output folder, or move it away", output,
              is_adapter ? "what is no adapter" : "an adapter", is_adapter ? "an adapter" : "a model");
}

/// GGUF files are of language models.
void require_causal(const ExportArguments& arguments, const TaskSpec& task) {
  if (task.head != HeadKind::causal_language_model)
    throw Error("{}: is of the task {}, and GGUF files are written of causal language models alone; leave --gguf out",
                arguments.checkpoint, task.name);
}

/// What of a model that is there already cannot be asked for.
void require_conversion(const ExportArguments& arguments, bool is_adapter) {
  const bool gguf = !arguments.gguf.empty();
  if (!is_adapter && (arguments.merge || arguments.adapter || !arguments.base.empty()))
    throw usage_error("{}: is a model without adapters; leave {} out", arguments.checkpoint,
                      arguments.merge     ? "--merge"
                      : arguments.adapter ? "--adapter"
                                          : "--base");
  if (!is_adapter && !gguf)
    throw usage_error("{}: is a model, which needs no export; --gguf TYPE writes it as a GGUF file",
                      arguments.checkpoint);
  if (arguments.merge && arguments.adapter)
    throw usage_error(
        "--adapter writes the adapters by themselves, and --merge a model that has them merged in; choose one");
  if (is_adapter && !arguments.merge && !gguf)
    throw usage_error("{}: is an adapter, which needs no export; --merge writes its base with the adapter merged in",
                      arguments.checkpoint);
}

/// A model's folder, a GGUF file, or the folder of an adapter, which is merged into its base.
int convert_model(const ExportArguments& arguments, bool is_adapter, CommandContext& context) {
  require_conversion(arguments, is_adapter);
  const GgmlType type = arguments.gguf.empty() ? GgmlType::f32 : type_to_write(arguments.gguf);
  ModelChoice choice = arguments.base.empty() ? choose_model(arguments.checkpoint, {}, "say with --base where that is")
                                              : ModelChoice{arguments.base, {arguments.checkpoint}};
  const std::unique_ptr<Device> device = make_cpu_device();
  FittedModel fitted(choice, *device);
  if (arguments.gguf.empty()) require_same_kind(arguments.output, /*is_adapter=*/false);
  if (!arguments.gguf.empty()) {
    if (!is_adapter) require_causal(arguments, fitted.task());
    require_gguf_export(fitted.folder().path);
  }
  if (context.speaks()) {
    if (is_adapter) merge_lora(fitted.model(), *device, *fitted.run_model().lora);
    TrainedUse use = fitted.trained().value_or(TrainedUse{});
    use.program_version = kVersion;
    use.task = fitted.task().name;
    use.labels.clear();
    if (arguments.gguf.empty()) {
      Lineage lineage;
      lineage.task = fitted.task().name;
      lineage.base_model = choice.model.filename().string();
      lineage.base_model_sha256 = fitted.run_model().files.digest();
      // A fingerprint was compared when the adapter was read, and holds where the same weights lie in other files.
      if (const AdapterBase known = base_of_adapter(choice.adapters.back()); known.fingerprint.empty())
        require_base(known, lineage.base_model_sha256, choice.adapters.back(), choice.model);
      lineage.labels = fitted.labels().names();
      lineage.program_version = kVersion;
      tell_reading(lineage, fitted.task(), use.calibration);
      export_trained_model(fitted.model(), *device, fitted.task(), fitted.folder().source(), fitted.labels().names(),
                           use, lineage, arguments.output);
    } else {
      export_gguf_model(fitted.model(), *device, fitted.folder(), type, use, arguments.output);
    }
    if (arguments.json) {
      print_json({{"model", arguments.output}});
    } else if (is_adapter) {
      std::printf("%s merged into %s is in %s\n", arguments.checkpoint.c_str(), choice.model.c_str(),
                  arguments.output.c_str());
    } else {
      std::printf("%s is in %s\n", arguments.checkpoint.c_str(), arguments.output.c_str());
    }
  }
  context.world.barrier();
  return kExitDone;
}

int run(const ExportArguments& arguments, CommandContext& context) {
  if (const bool is_adapter = is_adapter_folder(arguments.checkpoint); is_adapter || is_model(arguments.checkpoint))
    return convert_model(arguments, is_adapter, context);
  const bool gguf = !arguments.gguf.empty();
  const GgmlType type = gguf ? type_to_write(arguments.gguf) : GgmlType::f32;
  require_checkpoint_file(arguments.checkpoint);
  const std::unique_ptr<Device> device = make_cpu_device();
  const Checkpoint checkpoint = Checkpoint::open(arguments.checkpoint, context.world);
  const Configuration configuration = parse_configuration(checkpoint.configuration_toml(), arguments.checkpoint, {});
  const TrainingState state = parse_training_state(checkpoint.state_json());
  Lineage lineage = parse_lineage(checkpoint.lineage_json());
  const TaskSpec& task = task_named(configuration.model.task);
  const bool as_adapter = exports_adapter(arguments, configuration, state);
  if (!gguf) require_same_kind(arguments.output, as_adapter);
  ModelFolder folder(base_of(arguments, configuration), truncation_side(configuration.data.truncate),
                     configuration.model.adapter);
  folder.set_image_size(configuration.images.size);
  take_reading_of_run(arguments, configuration, lineage, folder);
  if (gguf) {
    require_causal(arguments, task);
    require_gguf_export(folder.path);
  }
  const HeadRequest request = head_request(task, LabelSet::from_names(state.labels));
  RunModel model(folder, request, -1.0, LoadOptions{.replace_head = true, .initialize = configuration.model.initialize},
                 *device);
  put_adapters(model, *device, configuration);
  if (context.speaks()) {
    if (const std::string digest = model.files.digest(); digest != lineage.base_model_sha256)
      throw Error("{}: belongs to a base model with SHA-256 {}, but {} holds {}; name the right folder with --base",
                  arguments.checkpoint, lineage.base_model_sha256.substr(0, 16), folder.path.string(),
                  digest.substr(0, 16));
    if (state.adapters_merged) merge_lora(*model.model, *device, *std::exchange(model.lora, std::nullopt));
    restore_parameters(checkpoint, *model.model, *device);
    lineage.steps = state.step;
    for (const auto& [name, value] : state.last_metrics) lineage.metrics.emplace_back("validation " + name, value);
    TrainedUse use = trained_use(configuration, task, folder.max_length(configuration.data.max_length));
    use.steps = state.step;
    use.calibration = calibration_of(arguments, configuration, task, state.step, context);
    tell_reading(lineage, task, use.calibration);
    if (model.lora && !as_adapter) merge_lora(*model.model, *device, *model.lora);
    if (as_adapter) {
      export_trained_adapter(model, *device, task, folder.source(), state.labels, use, lineage, folder.path.string(),
                             arguments.output);
    } else if (gguf) {
      export_gguf_model(*model.model, *device, folder, type, use, arguments.output);
    } else {
      export_trained_model(*model.model, *device, task, folder.source(), state.labels, use, lineage, arguments.output);
    }
    report(arguments, state.step, use.calibration);
  }
  context.world.barrier();
  return kExitDone;
}

}  // namespace

Command add_export_command(const CommandLine& program) {
  auto arguments = std::make_shared<ExportArguments>();
  const CommandLine command =
      program.command("export", "Turn a checkpoint into a Hugging Face model folder, an adapter, or a GGUF file");
  command
      .option("checkpoint", arguments->checkpoint,
              "Checkpoint file (.h5); of a run with adapters, what it becomes is an adapter's folder (PEFT) unless "
              "--merge or --gguf is given. With these, also the folder of an adapter; with --gguf, any model")
      .required();
  command.option("-o,--output", arguments->output, "Folder to write, or file with --gguf").required();
  command.option("--base", arguments->base, "Folder or .gguf file of the base model, if it is no longer at model.path");
  command.option("--gguf", arguments->gguf,
                 "Write one GGUF file in place of a folder, its matrices as F32, F16, BF16, Q8_0 or Q4_0");
  command.flag("--merge", arguments->merge, "Write the base model with the adapters merged into its weights");
  command.flag("--adapter", arguments->adapter,
               "Write the adapters by themselves, as PEFT does: the default of such a run");
  command.flag("--json", arguments->json, "Print one JSON object as the last line");
  command.footer(
      "Example:\n  temper export runs/sentiment/checkpoints/checkpoint-00000642.h5 -o models/sentiment-642\n"
      "  temper export runs/intents/model --merge -o models/intents\n"
      "  temper export runs/domain/model --gguf Q8_0 -o domain.gguf");
  return {command, [arguments](CommandContext& context) { return run(*arguments, context); }};
}

}  // namespace temper
