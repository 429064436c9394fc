#include "runtime/inputs/run_model.h"

#include <algorithm>
#include <array>
#include <system_error>

#include "base/counted.h"
#include "base/error.h"
#include "base/mapped_file.h"
#include "base/name_list.h"
#include "data/tokenizer/tokenizer_export.h"
#include "model/adapters/peft_config.h"
#include "model/gguf/gguf_file.h"
#include "model/huggingface/model_files.h"
#include "runtime/inputs/image_data.h"
#include "runtime/inputs/model_tokenizer.h"
#include "runtime/inputs/node_weights.h"

namespace temper {
namespace {

constexpr const char* kVocabularyFiles[] = {"tokenizer.json", "vocab.txt", "vocab.json"};

/// Names that transformers gives where a model has none of its own.
bool are_generic(const std::vector<std::string>& names) {
  for (std::size_t i = 0; i < names.size(); ++i)
    if (names[i] != fmt::format("LABEL_{}", i)) return false;
  return true;
}

/// Whether a folder holds a vocabulary, and not only what is said about one.
bool has_vocabulary(const std::filesystem::path& folder) {
  std::error_code ignored;
  return std::any_of(std::begin(kVocabularyFiles), std::end(kVocabularyFiles),
                     [&](const char* name) { return std::filesystem::exists(folder / name, ignored); });
}

/// Where the tokenizer of a model with this adapter lies.
const std::filesystem::path& tokenizer_home(const std::filesystem::path& model, const std::filesystem::path& adapter) {
  return !adapter.empty() && has_vocabulary(adapter) ? adapter : model;
}

/// The file of an adapter's chat template that has no vocabulary beside it; empty where it has none, or both.
std::filesystem::path template_of_adapter(const std::filesystem::path& adapter) {
  std::error_code ignored;
  const std::filesystem::path file = adapter / "chat_template.jinja";
  if (adapter.empty() || has_vocabulary(adapter) || !std::filesystem::exists(file, ignored)) return {};
  return file;
}

/// The file that holds the vocabulary.
std::filesystem::path tokenizer_place(const std::filesystem::path& model, const TokenizerFolder& tokenizer_folder) {
  if (is_gguf_file(model)) return model;
  if (tokenizer_folder.has_tokenizer_json) return model / "tokenizer.json";
  return model / tokenizer_folder.tokenizer_class.vocabulary_files().front();
}

}  // namespace

std::filesystem::path newest_checkpoint_of(const std::filesystem::path& folder) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  for (const fs::path& checkpoints : {folder / "checkpoints", folder}) {
    std::vector<fs::path> files;
    for (const fs::directory_entry& entry : fs::directory_iterator(checkpoints, ignored))
      if (entry.path().extension() == ".h5") files.push_back(entry.path());
    if (!files.empty()) return *std::max_element(files.begin(), files.end());
  }
  return {};
}

const std::filesystem::path& as_model_folder(const std::filesystem::path& folder) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  if (fs::is_regular_file(folder, ignored) && folder.extension() == ".h5")
    throw Error("{}: is a checkpoint, expected a model folder; write one with 'temper export {} -o FOLDER'",
                folder.string(), folder.string());
  if (is_adapter_folder(folder))
    throw Error(
        "{}: is an adapter, expected a model folder; name the folder of its base model, and the adapter as "
        "model.adapter "
        "or with --adapter",
        folder.string());
  if (!fs::is_directory(folder, ignored) || fs::exists(folder / "config.json", ignored)) return folder;
  const fs::path exported = folder / "model";
  if (is_adapter_folder(exported))
    throw Error("{}: is the folder of a run, expected a model folder; the run's adapter is {}", folder.string(),
                exported.string());
  if (fs::exists(exported / "config.json", ignored))
    throw Error("{}: is the folder of a run, expected a model folder; the run's model is {}", folder.string(),
                exported.string());
  // A run that has not ended, or was told not to export.
  if (const fs::path newest = newest_checkpoint_of(folder); !newest.empty())
    throw Error("{}: holds checkpoints, expected a model folder; write one with 'temper export {} -o FOLDER'",
                folder.string(), newest.string());
  return folder;
}

ModelFolder::ModelFolder(const std::filesystem::path& folder, TruncationSide truncation,
                         const std::filesystem::path& adapter)
    : path(folder), config(read_model_config(as_model_folder(folder))), side(truncation) {
  if (config.reads_images()) {
    tokenizer_path = path;
    // An adapter is used in the size in which it was trained.
    std::error_code absent;
    processor = read_image_processor(folder, config.json);
    if (adapter.empty() || !std::filesystem::exists(adapter / kProcessorFile, absent)) return;
    ImageProcessor of_adapter = parse_image_processor(read_text_file(adapter / kProcessorFile), config.json,
                                                      (adapter / kProcessorFile).string());
    // timm's rule has no such file, which says the rest of it in other words.
    if (processor->timm_share > 0.0)
      processor->set_extent(of_adapter.extent());
    else
      processor = std::move(of_adapter);
    return;
  }
  read_tokenizer(read_model_tokenizer(tokenizer_home(folder, adapter), truncation), template_of_adapter(adapter));
}

void ModelFolder::set_image_size(std::int64_t size) {
  if (processor) processor = sized(config, *std::move(processor), size);
}

void ModelFolder::read_tokenizer(TokenizerFolder tokenizer_folder, const std::filesystem::path& chat_template) {
  tokenizer_path = tokenizer_folder.path;
  notes = tokenizer_folder.notes;
  if (!chat_template.empty()) {
    own_chat_template = std::string(MappedFile(chat_template).text());
    tokenizer_folder.file.chat.templates = {{"default", own_chat_template}};
    tokenizer_folder.file.chat.place = chat_template.string();
  }
  const std::filesystem::path place = tokenizer_place(tokenizer_path, tokenizer_folder);
  tokenizer = Tokenizer::from_file(std::move(tokenizer_folder.file));
  // Vocabularies are padded to round numbers now and then, so a few rows more than tokens are no mistake.
  const std::int64_t tokens = tokenizer->vocabulary_size();
  const std::int64_t rows = config.vocabulary_size;
  const std::int64_t padding = std::max<std::int64_t>(128, rows / 100);
  if (tokenizer->model_vocabulary_size() > rows || rows - tokens > padding)
    throw Error(
        "{}: the tokenizer knows {} tokens, but config.json says vocab_size {}; the tokenizer belongs to another "
        "model, or a configuration that you wrote says too much (128 or 1 % more are taken)",
        place.string(), tokens, rows);
  if (tokens > rows)
    notes.push_back(fmt::format(
        "{}: the tokenizer adds tokens such as {} (id {}), for which the model has no embedding (vocab_size "
        "{}); texts must not have them",
        tokenizer_path.string(), tokenizer->token(tokens - 1), tokens - 1, rows));
}

ExportSource ModelFolder::source() const {
  if (processor)
    return {path,
            {{std::string(kProcessorFile), processor->to_json()}},
            {},
            processor->extent(),
            processor->timm_share > 0.0 ? processor->to_pretrained_cfg() : std::string()};
  const std::filesystem::path generation = path / kGenerationFile;
  std::error_code absent;
  ExportSource source{path, tokenizer_files(read_model_tokenizer(tokenizer_path, side), *tokenizer),
                      std::filesystem::exists(generation, absent) ? read_text_file(generation) : std::string()};
  if (!own_chat_template.empty()) {
    source.tokenizer_files["chat_template.jinja"] = own_chat_template;
    source.tokenizer_files.erase("chat_template.json");
    std::erase_if(source.tokenizer_files, [](const auto& file) { return file.first.starts_with(kChatTemplates); });
  }
  return source;
}

GgmlVocabulary ModelFolder::ggml_vocabulary() const {
  const TokenizerFolder tokenizer_folder = read_model_tokenizer(tokenizer_path, side);
  if (tokenizer_folder.file.digest != tokenizer->digest())
    throw Error(
        "{}: the files of the tokenizer have changed since they were read; put those back that the model was "
        "trained with, and try again",
        tokenizer_path.string());
  GgmlVocabulary vocabulary = ggml_vocabulary_of(tokenizer_folder, *tokenizer, config.vocabulary_size);
  if (!own_chat_template.empty()) vocabulary.chat_template = own_chat_template;
  return vocabulary;
}

std::vector<std::filesystem::path> tokenizer_files_of(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  std::error_code ignored;
  // Vocabularies beside a tokenizer.json are for other programs.
  constexpr std::array<std::string_view, 3> kVocabularies{"vocab.txt", "vocab.json", "merges.txt"};
  const bool has_all = std::filesystem::exists(folder / "tokenizer.json", ignored);
  for (const std::string_view name : kTokenizerFiles) {
    if (has_all && std::find(kVocabularies.begin(), kVocabularies.end(), name) != kVocabularies.end()) continue;
    if (std::filesystem::exists(folder / name, ignored)) files.push_back(folder / name);
  }
  std::vector<std::filesystem::path> more;
  for (const auto& entry : std::filesystem::directory_iterator(folder / kChatTemplates, ignored))
    if (entry.path().extension() == ".jinja") more.push_back(entry.path());
  std::sort(more.begin(), more.end());
  files.insert(files.end(), more.begin(), more.end());
  return files;
}

TruncationSide truncation_side(const std::string& truncate) {
  if (truncate == "left") return TruncationSide::left;
  return truncate == "right" ? TruncationSide::right : TruncationSide::as_tokenizer;
}

std::vector<std::string> folder_notes(const ModelFolder& folder, std::int64_t max_length, const char* longer) {
  std::vector<std::string> notes = folder.notes;
  if (folder.max_length(max_length) < max_length)
    notes.push_back(fmt::format("data.max_length is {}, but the model has positions for {}: {}", max_length,
                                folder.max_length(max_length), longer));
  return notes;
}

std::string first_token_note(const ModelFolder& folder, const Readout& readout) {
  if (folder.tokenizer == nullptr || readout.tokens != ReadTokens::first ||
      folder.tokenizer->begins_with_special_token())
    return "";
  return fmt::format(
      "{}: the tokenizer puts no special token before a text, so the head reads the first token of the "
      "text itself; a tokenizer_class in tokenizer_config.json, such as BertTokenizer, would put one there",
      folder.path.string());
}

std::int64_t ModelFolder::max_length(std::int64_t requested) const {
  return config.reads_images() ? requested : std::min(requested, config.longest_sequence);
}

RunModel::RunModel(const ModelFolder& folder, const HeadRequest& request, double dropout, const LoadOptions& options,
                   Device& device, Communicator* communicator)
    : files(options.initialize ? WeightFiles::none(folder.path) : WeightFiles::open(folder.path)),
      room(communicator != nullptr && device.shares_host_memory() ? make_node_weights(*communicator) : nullptr),
      model(make_model(folder.config, request, dropout)),
      report(load_weights(*model, files, device, options, room.get())) {}

std::string initialized_note(const Model& model, std::uint64_t seed) {
  std::int64_t weights = 0;
  for (const Parameter& parameter : model.parameters().all()) weights += parameter.size();
  return fmt::format("a model from nothing: its {} in {} are drawn by seed {}", counted(weights, "weight"),
                     counted(model.parameters().all().size(), "tensor"), seed);
}

const TaskSpec& task_of(const ModelConfig& config) {
  const std::optional<HeadKind> head = head_of(config);
  const TaskSpec* task = head ? task_of_head(*head, config.problem_type, config.labels.size()) : nullptr;
  if (task != nullptr) return *task;
  throw Error(
      "{}: the architecture is '{}', which has no head for a task; fine-tune the model first, or name the folder "
      "of a fine-tuned one",
      config_place(config.folder).string(), config.architectures.empty() ? "not named" : config.architectures.front());
}

std::string kept_head_note(const LoadReport& report, const std::vector<std::string>& stored,
                           const std::vector<std::string>& names) {
  const bool kept = report.initialized.empty() && report.replaced.empty();
  if (!kept || names.empty() || stored.size() != names.size() || stored == names) return "";
  const std::size_t differing =
      static_cast<std::size_t>(std::mismatch(stored.begin(), stored.end(), names.begin()).first - stored.begin());
  return fmt::format(
      "the stored head is kept, though the model calls its labels {} and the data {}: output {}, {}, becomes {}{}",
      name_list(stored), name_list(names), differing, quoted_name(stored[differing]), quoted_name(names[differing]),
      are_generic(stored) ? "" : "; data.labels sets another order, or model.path a model without a head");
}

}  // namespace temper
