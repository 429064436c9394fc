#include "model/adapters/peft_folder.h"

#include <algorithm>
#include <set>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "base/mapped_file.h"
#include "base/name_list.h"
#include "model/huggingface/json_object.h"
#include "model/huggingface/safetensors.h"

namespace temper {
namespace {

constexpr const char* kBaseDigest = "base_model_sha256";
constexpr const char* kBaseFingerprint = "base_model_fingerprint";
/// Names of modules, whose base PEFT saves with an adapter of theirs.
constexpr const char* kSavedTables[] = {"embed_tokens", "lm_head"};

SafetensorsFile open_weights(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / kPeftWeightsFile;
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored))
    throw Error("{}: no such file, expected the weights of an adapter{}", file.string(),
                std::filesystem::exists(folder / "adapter_model.bin", ignored)
                    ? "; adapter_model.bin is an older form: load it with PEFT and save it again"
                    : "; name a folder that PEFT or Temper wrote");
  return SafetensorsFile(file);
}

bool is_floating_point(StoredType type) {
  return type == StoredType::f32 || type == StoredType::bf16 || type == StoredType::f16 || type == StoredType::f64;
}

std::string text_of(const std::vector<std::int64_t>& shape) { return nlohmann::json(shape).dump(); }

/// The name, and what files have that were saved from the bare network, or by releases that did not wrap biases.
std::vector<std::string> names_of(const StoredForm& form, const WeightNames& names) {
  std::vector<std::string> candidates{form.name};
  constexpr std::string_view kWrapped = ".base_layer.bias";
  if (form.name.ends_with(kWrapped))
    candidates.push_back(form.name.substr(0, form.name.size() - kWrapped.size()) + ".bias");
  const std::string with_prefix = kPeftPrefix + names.prefix;
  for (std::size_t i = candidates.size(); i-- > 0;)
    if (!names.prefix.empty() && candidates[i].starts_with(with_prefix))
      candidates.push_back(kPeftPrefix + candidates[i].substr(with_prefix.size()));
  return candidates;
}

/// Tables of the base that the adapter's file holds too: what PEFT calls one, and the parameter.
struct SavedTable {
  const Parameter* parameter;
  StoredForm form;
};

std::vector<SavedTable> saved_tables(const Model& model, const std::vector<FileModule>& modules) {
  std::vector<SavedTable> tables;
  for (const FileModule& module : modules) {
    const std::string last = module.name.substr(module.name.rfind('.') + 1);
    if (std::find(std::begin(kSavedTables), std::end(kSavedTables), last) == std::end(kSavedTables)) continue;
    for (const ModuleLayer& layer : module.layers) {
      StoredForm form = layer.form;
      form.name = fmt::format("{}{}.base_layer.weight", kPeftPrefix, module.name);
      tables.push_back({model.parameters().find(layer.weight), std::move(form)});
    }
  }
  return tables;
}

class AdapterReader {
 public:
  AdapterReader(const Model& model, Device& device, const SafetensorsFile& file)
      : model_(model), device_(device), file_(file) {}

  void read(const TrainedInAdapter& trained) {
    const Parameter& parameter = *model_.parameters().find(trained.parameter);
    const TensorView* stored = find(trained.form);
    if (stored == nullptr) {
      missing_.push_back(trained.form.name);
      return;
    }
    const std::vector<float> values = values_of(*stored, trained.form, parameter);
    parameter.variable.set_value(device_.upload(std::span<const float>(values), parameter.shape));
  }

  /// What the base itself has, which require_same_tables compares.
  void pass_over(const SavedTable& table) { (void)find(table.form); }

  /// The base's own table must be the one that the adapter was trained with.
  void compare(const SavedTable& table) {
    const TensorView* stored = find(table.form);
    if (stored == nullptr) return;
    const std::vector<float> values = values_of(*stored, table.form, *table.parameter);
    const std::vector<float> own = device_.download_as_f32(table.parameter->variable.value());
    if (values != own)
      throw Error(
          "{}: tensor {} is not what the base model has as {}; the adapter was trained with another base, or with "
          "words added to it, so name that one",
          place(), in_quotes(stored->name), table.parameter->name);
  }

  /// Throws Error for what is missing, and for what nobody used.
  void finish() const {
    if (!missing_.empty())
      throw Error("{}: lacks {}, which {} asks for; the two do not belong together, or the adapter is of another model",
                  place(), name_list(missing_), kPeftConfigFile);
    std::vector<std::string> unused;
    for (const auto& [name, view] : file_.tensors())
      if (!used_.contains(name) && !model_.names().is_unread(name) && !is_copy(name)) unused.push_back(name);
    if (!unused.empty())
      throw Error(
          "{}: holds {}, for which this model with the settings of {} has no use; the adapter is of another model, or "
          "its file is damaged",
          place(), name_list(unused), kPeftConfigFile);
  }

 private:
  [[nodiscard]] std::string place() const { return file_.path().string(); }

  /// With bias = "all", PEFT also saves the biases of the wrapper around a module that is trained in full.
  [[nodiscard]] bool is_copy(const std::string& name) const {
    for (const std::string_view wrapper : {".modules_to_save.bias", ".original_module.bias"})
      if (name.ends_with(wrapper) && used_.contains(name.substr(0, name.size() - wrapper.size()) + ".bias"))
        return true;
    return false;
  }

  const TensorView* find(const StoredForm& form) {
    for (const std::string& name : names_of(form, model_.names())) {
      const auto found = file_.tensors().find(name);
      if (found == file_.tensors().end()) continue;
      used_.insert(name);
      return &found->second;
    }
    return nullptr;
  }

  [[nodiscard]] std::vector<float> values_of(const TensorView& stored, const StoredForm& form,
                                             const Parameter& parameter) const {
    const Shape wanted = form.shape_of_tensor(parameter.shape);
    const std::vector<std::int64_t> expected(wanted.extents().begin(), wanted.extents().end());
    if (stored.shape != expected)
      throw Error("{}: tensor {} has the shape {}, but {} and this model ask for {}; the adapter is of another model",
                  place(), in_quotes(stored.name), text_of(stored.shape), kPeftConfigFile, text_of(expected));
    if (!is_floating_point(stored.type))
      throw Error("{}: tensor {} is of type {}, expected floating-point numbers; save the adapter again", place(),
                  in_quotes(stored.name), name_of(stored.type));
    return parameter_values(stored, form, parameter.shape);
  }

  const Model& model_;
  Device& device_;
  const SafetensorsFile& file_;
  std::set<std::string> used_;
  std::vector<std::string> missing_;
};

/// A rank that is larger than all that the file holds would take its memory before its shape is found wrong.
void require_possible_rank(const LoraSettings& settings, const SafetensorsFile& file, const std::string& place) {
  auto rank = static_cast<double>(settings.rank);
  for (const auto& [pattern, of_pattern] : settings.rank_pattern) rank = std::max(rank, of_pattern);
  std::int64_t largest = 0;
  for (const auto& [name, view] : file.tensors())
    for (const std::int64_t extent : view.shape) largest = std::max(largest, extent);
  if (rank > static_cast<double>(largest))
    throw Error(
        "{}: asks for a rank of {:.0f}, but no tensor of {} is as large as that; the two do not belong together", place,
        rank, file.path().string());
}

}  // namespace

Lora load_adapter(Model& model, Device& device, const std::filesystem::path& folder) {
  const std::string place = (folder / kPeftConfigFile).string();
  PeftConfig config = read_peft_config(folder);
  const SafetensorsFile file = open_weights(folder);
  require_possible_rank(config.settings, file, place);
  Lora lora = attach_lora(model, device, std::move(config.settings), 0, place);
  AdapterReader reader(model, device, file);
  for (const TrainedInAdapter& trained : lora.trained) reader.read(trained);
  for (const SavedTable& table : saved_tables(model, lora.modules)) reader.pass_over(table);
  reader.finish();
  return lora;
}

void require_same_tables(const Model& model, Device& device, const std::filesystem::path& folder) {
  const SafetensorsFile file = open_weights(folder);
  AdapterReader reader(model, device, file);
  for (const SavedTable& table : saved_tables(model, file_modules(model))) reader.compare(table);
}

AdapterBase base_of_adapter(const std::filesystem::path& folder) {
  const SafetensorsFile file = open_weights(folder);
  const auto member = [&](const char* key) {
    const auto found = file.metadata().find(key);
    return found == file.metadata().end() ? std::string() : found->second;
  };
  return {member(kBaseDigest), member(kBaseFingerprint)};
}

void require_base(const AdapterBase& known, const std::string& digest, const std::filesystem::path& folder,
                  const std::filesystem::path& model) {
  if (!known.digest.empty() && known.digest != digest)
    throw Error("{}: was trained on a base model with SHA-256 {}, but {} holds {}; name the model that it belongs to",
                folder.string(), known.digest.substr(0, 16), model.string(), digest.substr(0, 16));
}

void require_fingerprint(const AdapterBase& known, const std::string& fingerprint, const std::filesystem::path& folder,
                         const std::filesystem::path& model) {
  if (!known.fingerprint.empty() && known.fingerprint != fingerprint)
    throw Error(
        "{}: was trained on a base model with SHA-256 {}, but {} holds another (their fingerprints are {} and {}); "
        "name "
        "the model that it belongs to",
        folder.string(), known.digest.substr(0, 16), model.string(), known.fingerprint.substr(0, 16),
        fingerprint.substr(0, 16));
}

std::int64_t outputs_of_adapter(const std::filesystem::path& folder, const Model& model) {
  const SafetensorsFile file = open_weights(folder);
  std::int64_t outputs = 0;
  for (const Parameter& parameter : model.parameters().all()) {
    const bool is_of_outputs = parameter.role == ParameterRole::head && parameter.shape.dimensions() == 2 &&
                               parameter.shape[0] == model.head_request().labels;
    if (!is_of_outputs) continue;
    StoredForm form = model.names().forms_of(parameter).front();
    const std::string module = kPeftPrefix + form.name.substr(0, form.name.rfind('.'));
    // Where the head itself has an adapter, B has a row for each output.
    for (const char* end : {".weight", ".lora_B.weight"}) {
      form.name = module + end;
      for (const std::string& name : names_of(form, model.names()))
        if (const auto found = file.tensors().find(name);
            found != file.tensors().end() && found->second.shape.size() == 2)
          outputs =
              form.transposed && end == std::string_view(".weight") ? found->second.shape[1] : found->second.shape[0];
    }
  }
  return outputs;
}

void write_adapter(const AdapterToWrite& adapter, const std::filesystem::path& folder) {
  std::vector<ParameterToStore> parameters;
  for (const TrainedInAdapter& trained : adapter.lora.trained)
    parameters.push_back({adapter.model.parameters().find(trained.parameter), trained.form});
  for (SavedTable& table : saved_tables(adapter.model, adapter.lora.modules))
    parameters.push_back({table.parameter, std::move(table.form)});
  const StoredWeights weights(parameters, adapter.device);
  std::map<std::string, std::string> metadata{{"format", "pt"}};
  if (!adapter.base.digest.empty()) metadata[kBaseDigest] = adapter.base.digest;
  if (!adapter.base.fingerprint.empty()) metadata[kBaseFingerprint] = adapter.base.fingerprint;
  write_safetensors(folder / kPeftWeightsFile, weights.tensors(), metadata);
  write_file_atomically(folder / kPeftConfigFile,
                        peft_config_text(adapter.lora, adapter.model.head_request().kind, adapter.base_model));
}

}  // namespace temper
