#include "runtime/model_export.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "base/human_numbers.h"
#include "base/mapped_file.h"
#include "model/adapters/peft_folder.h"
#include "model/huggingface/export.h"
#include "model/huggingface/gguf_export.h"
#include "model/huggingface/model_card.h"
#include "model/huggingface/model_files.h"
#include "model/weights.h"
#include "runtime/config/config.h"
#include "runtime/evaluation/measure_settings.h"
#include "runtime/generation/generation_defaults.h"
#include "runtime/inputs/model_tokenizer.h"
#include "runtime/inputs/run_data.h"
#include "version.h"

namespace temper {
namespace {

/// What generation_config.json and config.json say and the tokenizer's files do not.
void add_generation_tokens(const GenerationDefaults& defaults, GgmlVocabulary& vocabulary) {
  const auto is_token = [&](std::int64_t id) { return std::cmp_less(id, vocabulary.tokens.size()); };
  if (!vocabulary.bos && defaults.first_token && is_token(*defaults.first_token)) vocabulary.bos = defaults.first_token;
  const std::array places = {&vocabulary.eos, &vocabulary.end_of_turn, &vocabulary.end_of_message};
  for (const std::int64_t id : defaults.stop_tokens) {
    if (!is_token(id) || std::any_of(places.begin(), places.end(), [&](const auto* place) { return *place == id; }))
      continue;
    const auto free = std::find_if(places.begin(), places.end(), [](const auto* place) { return !place->has_value(); });
    if (free != places.end()) **free = id;
  }
}

}  // namespace

Lineage lineage_of(const Configuration& configuration, const std::filesystem::path& base_model, const RunData& data,
                   int ranks) {
  Lineage lineage;
  lineage.task = configuration.model.task;
  lineage.base_model = base_model.filename().string();
  lineage.labels = data.labels.names();
  lineage.data_files = data.files;
  lineage.program_version = kVersion;
  lineage.configuration = to_toml(configuration);
  lineage.ranks = ranks;
  return lineage;
}

void tell_reading(Lineage& lineage, const TaskSpec& task, const std::optional<Calibration>& calibration) {
  if (task.head == HeadKind::image && has_row_measures(task))
    lineage.caution =
        "This model is no medical device: its figures hold for rows like those that it was measured on, and nobody "
        "should be diagnosed or treated by it.";
  if (!calibration) return;
  const std::vector<ClassThresholds>& all = calibration->thresholds;
  if (all.size() == 1) lineage.reading.emplace_back("Positive class", all.front().label);
  const auto rule = kThresholdRules[static_cast<std::size_t>(calibration->rule)];
  constexpr std::size_t kMostShown = 32;
  for (std::size_t i = 0; i < all.size() && i < kMostShown; ++i) {
    const double threshold = all[i].by(calibration->rule);
    lineage.reading.emplace_back(all.size() == 1 ? std::string("Threshold") : "Threshold of " + all[i].label,
                                 std::isfinite(threshold) ? fmt::format("{} ({})", significant(threshold, 6), rule)
                                                          : fmt::format("none ({})", rule));
  }
  if (all.size() > kMostShown)
    lineage.reading.emplace_back("Further thresholds", fmt::format("{}, in temper.json", all.size() - kMostShown));
  lineage.reading.emplace_back("Temperature", significant(calibration->temperature, 6));
}

void export_trained_model(const Model& model, Device& device, const TaskSpec& task, const ExportSource& source,
                          const std::vector<std::string>& labels, const TrainedUse& use, Lineage lineage,
                          const std::filesystem::path& target_folder) {
  lineage.title = target_folder.filename().string();
  lineage.architecture = model.class_name();
  lineage.hub_pipeline = task.hub_pipeline;
  ExportRequest request;
  request.source_folder = source.folder;
  request.tokenizer_files = source.tokenizer_files;
  if (task.head == HeadKind::causal_language_model) request.generation_config = source.generation_config;
  request.target_folder = target_folder;
  request.architecture = lineage.architecture;
  if (!is_over_vocabulary(task.head)) request.outputs = static_cast<std::size_t>(model.head_request().labels);
  request.labels = labels;
  request.problem_type = problem_type_of(task, labels.size());
  request.trained_use = to_json(use);
  const StoredWeights weights(model, device, source.images);
  request.tensors = weights.tensors();
  if (weights.is_resized()) request.image_size = source.images;
  request.pretrained_cfg = source.pretrained_cfg;
  if (!source.pretrained_cfg.empty()) {
    request.tokenizer_files.erase(std::string(kProcessorFile));
    lineage.library = "timm";
  }
  request.model_card = model_card(lineage);
  export_model(request);
}

void export_trained_adapter(const RunModel& model, Device& device, const TaskSpec& task, const ExportSource& source,
                            const std::vector<std::string>& labels, TrainedUse use, Lineage lineage,
                            const std::string& base_model, const std::filesystem::path& target_folder) {
  lineage.title = target_folder.filename().string();
  lineage.architecture = model.model->class_name();
  lineage.hub_pipeline = task.hub_pipeline;
  lineage.is_adapter = true;
  use.labels = labels;
  write_exported_folder(target_folder, source.folder, [&](const std::filesystem::path& folder) {
    const AdapterBase base{lineage.base_model_sha256, model.files.fingerprint()};
    write_adapter({*model.model, device, *model.lora, base_model, base}, folder);
    write_named_files(folder, source.tokenizer_files);
    write_file_atomically(folder / "README.md", model_card(lineage));
    write_file_atomically(folder / "temper.json", to_json(use));
  });
}

void export_gguf_model(const Model& model, Device& device, const ModelFolder& folder, GgmlType type,
                       const TrainedUse& use, const std::filesystem::path& target_file) {
  GgufExportRequest request;
  request.source = folder.path;
  request.target = target_file;
  request.type = type;
  request.name = target_file.stem().string();
  GgmlVocabulary vocabulary = folder.ggml_vocabulary();
  add_generation_tokens(read_generation_defaults(folder.config), vocabulary);
  request.tokenizer = keys_of(vocabulary);
  request.trained_use = to_json(use);
  const StoredWeights weights(model, device);
  request.tensors = weights.tensors();
  export_gguf(request);
}

}  // namespace temper
