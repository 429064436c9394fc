#include "runtime/inputs/run_adapter.h"

#include <algorithm>
#include <set>

#include "base/counted.h"
#include "base/error.h"
#include "base/name_list.h"
#include "model/adapters/peft_folder.h"
#include "model/huggingface/model_files.h"

namespace temper {
namespace {

ModuleNames module_names(const OneOrMore& names) { return {names.values, !names.listed && !names.empty()}; }

TargetPreset preset_of(const OneOrMore& targets) {
  if (targets.listed || targets.empty()) return TargetPreset::none;
  const std::string& name = targets.values.front();
  if (name == "attention") return TargetPreset::attention;
  if (name == "mlp") return TargetPreset::mlp;
  return name == "all-linear" ? TargetPreset::all_linear : TargetPreset::none;
}

/// PEFT takes the first that matches; the configuration has the longest last.
std::vector<std::pair<std::string, double>> longest_first(std::vector<std::pair<std::string, double>> patterns) {
  std::reverse(patterns.begin(), patterns.end());
  return patterns;
}

}  // namespace

bool trains_adapters(const Configuration& configuration) {
  return configuration.lora.rank > 0 || !configuration.model.adapter.empty();
}

LoraSettings lora_settings(const LoraSection& section) {
  LoraSettings settings;
  settings.rank = section.rank;
  settings.alpha = section.alpha > 0 ? section.alpha : static_cast<double>(section.rank);
  settings.dropout = section.dropout;
  settings.preset = preset_of(section.targets);
  if (settings.preset == TargetPreset::none) settings.targets = module_names(section.targets);
  settings.excluded = module_names(section.exclude);
  settings.bias = section.bias == "all"         ? LoraBias::all
                  : section.bias == "lora_only" ? LoraBias::lora_only
                                                : LoraBias::none;
  settings.rslora = section.rslora;
  settings.dora = section.dora;
  settings.modules_to_save = section.modules_to_save;
  settings.rank_pattern = longest_first(section.rank_pattern);
  settings.alpha_pattern = longest_first(section.alpha_pattern);
  for (const double layer : section.layers) settings.layers.push_back(static_cast<std::int64_t>(layer));
  settings.layers_pattern = section.layers_pattern;
  return settings;
}

std::optional<Lora> put_adapters(Model& model, Device& device, const Configuration& configuration,
                                 std::span<const std::string> drawn) {
  if (!configuration.model.adapter.empty()) return load_adapter(model, device, configuration.model.adapter);
  if (configuration.lora.rank == 0) return std::nullopt;
  LoraSettings settings = lora_settings(configuration.lora);
  add_trained_heads(settings, model, drawn);
  return attach_lora(model, device, std::move(settings), static_cast<std::uint64_t>(configuration.train.seed),
                     "lora.targets");
}

void put_adapters(RunModel& model, Device& device, const Configuration& configuration) {
  std::vector<std::string> drawn = model.report.initialized;
  drawn.insert(drawn.end(), model.report.replaced.begin(), model.report.replaced.end());
  if (!configuration.model.adapter.empty()) require_same_tables(*model.model, device, configuration.model.adapter);
  model.lora = put_adapters(*model.model, device, configuration, drawn);
  if (configuration.model.adapter.empty()) return;
  for (const std::string& name : drawn)
    if (std::none_of(model.lora->trained.begin(), model.lora->trained.end(),
                     [&](const TrainedInAdapter& trained) { return trained.parameter == name; }))
      throw usage_error(
          "model.adapter: {} does not bring the head ('{}' and others), which the base lacks, so it would stay as it "
          "was "
          "drawn; train a new adapter by [lora], or name one that was trained for this task",
          configuration.model.adapter, name);
}

std::string adapters_note(const Lora& lora) {
  std::set<std::string> names;
  for (const FileModule& module : lora.modules) names.insert(module.name.substr(module.name.rfind('.') + 1));
  const std::vector<std::string> list(names.begin(), names.end());
  return fmt::format("adapters of rank {}{} at {}: {}", lora.settings.rank, lora.settings.dora ? " (DoRA)" : "",
                     counted(lora.modules.size(), "module"), name_list(list));
}

ModelChoice choose_model(const std::filesystem::path& folder, std::span<const std::string> adapters,
                         const std::string& remedy) {
  ModelChoice choice{folder, {adapters.begin(), adapters.end()}};
  for (const std::filesystem::path& adapter : choice.adapters) {
    (void)read_peft_config(adapter);
    (void)base_of_adapter(adapter);
  }
  if (!is_adapter_folder(folder)) return choice;
  choice.model = read_peft_config(folder).base_model;
  (void)base_of_adapter(folder);
  choice.adapters.insert(choice.adapters.begin(), folder);
  std::error_code absent;
  if (choice.model.empty() || !std::filesystem::exists(choice.model, absent))
    throw Error("{}: is an adapter {}; {}", folder.string(),
                choice.model.empty() ? "that does not say of which model"
                                     : fmt::format("of {}, which is not to be found from here", choice.model.string()),
                remedy.empty() ? fmt::format("name the folder of its base model, and the adapter with --adapter {}",
                                             folder.string())
                               : remedy);
  return choice;
}

std::vector<std::filesystem::path> adapter_files(const ModelChoice& choice) {
  std::vector<std::filesystem::path> files;
  for (const std::filesystem::path& adapter : choice.adapters)
    for (const std::filesystem::path& file : files_of_adapter(adapter)) files.push_back(file);
  return files;
}

void require_base_of(const std::filesystem::path& adapter, const WeightFiles& files, const std::filesystem::path& model,
                     Communicator* communicator) {
  const AdapterBase base = base_of_adapter(adapter);
  if (!base.fingerprint.empty()) return require_fingerprint(base, files.fingerprint(), adapter, model);
  if (base.digest.empty()) return;
  // Without a fingerprint, as older versions write adapters, all of the model is read: by one rank.
  if (communicator == nullptr) return require_base(base, files.digest(), adapter, model);
  std::vector<std::byte> digest(64);
  if (communicator->rank() == 0)
    std::ranges::transform(files.digest(), digest.begin(), [](char c) { return static_cast<std::byte>(c); });
  communicator->broadcast(digest, 0);
  require_base(base, std::string(reinterpret_cast<const char*>(digest.data()), digest.size()), adapter, model);
}

std::string idle_note(const RunModel& model, Device& device) {
  if (!model.lora) return "";
  const std::vector<std::string> idle = idle_modules(*model.model, device, *model.lora);
  if (idle.empty()) return "";
  return fmt::format("the adapters of {} of {} are zero, so they change nothing: {}", idle.size(),
                     counted(model.lora->modules.size(), "module"), name_list(idle));
}

std::vector<std::string> use_adapters(RunModel& model, Device& device, const ModelChoice& choice,
                                      Communicator* communicator) {
  std::vector<std::string> notes;
  if (choice.adapters.empty()) return notes;
  std::set<std::string> drawn(model.report.initialized.begin(), model.report.initialized.end());
  drawn.insert(model.report.replaced.begin(), model.report.replaced.end());
  // All of them belong to the model as it is in its files, whatever is merged into it below.
  for (const std::filesystem::path& adapter : choice.adapters) {
    require_base_of(adapter, model.files, choice.model, communicator);
    require_same_tables(*model.model, device, adapter);
  }
  for (const std::filesystem::path& adapter : choice.adapters) {
    if (model.lora) merge_lora(*model.model, device, *model.lora);
    model.lora = load_adapter(*model.model, device, adapter);
    for (const TrainedInAdapter& trained : model.lora->trained) drawn.erase(trained.parameter);
    if (const std::string note = idle_note(model, device); !note.empty())
      notes.push_back(fmt::format("{}: {}", adapter.string(), note));
  }
  if (!drawn.empty())
    throw Error(
        "{}: lacks the head ('{}' and others), and {} does not bring one; name a model that has been fine-tuned",
        choice.model.string(), *drawn.begin(), choice.adapters.back().string());
  return notes;
}

}  // namespace temper
