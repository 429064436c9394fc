#include "runtime/run_model.h"

#include <algorithm>

#include "base/error.h"
#include "data/tokenizer/tokenizer_export.h"

namespace temper {
namespace {

ModelConfig with_dropout(ModelConfig config, double dropout) {
  if (dropout < 0.0) return config;
  const auto rate = static_cast<float>(dropout);
  config.hidden_dropout = rate;
  config.attention_dropout = rate;
  config.classifier_dropout = rate;
  return config;
}

}  // namespace

ModelFolder::ModelFolder(const std::filesystem::path& folder, TruncationSide truncation)
    // In braces, so that config.json, which tells what a folder is, is read first.
    : ModelFolder{read_model_config(folder), read_tokenizer_folder(folder, truncation), truncation} {}

ModelFolder::ModelFolder(ModelConfig model_config, TokenizerFolder tokenizer_folder, TruncationSide truncation)
    : path(tokenizer_folder.path),
      config(std::move(model_config)),
      side(truncation),
      notes(std::move(tokenizer_folder.notes)),
      tokenizer(Tokenizer::from_file(std::move(tokenizer_folder.file))) {
  // Vocabularies are padded to round numbers now and then, so a few rows more than tokens are no mistake.
  const std::int64_t tokens = tokenizer->vocabulary_size();
  const std::int64_t rows = config.vocabulary_size;
  const std::int64_t padding = std::max<std::int64_t>(128, rows / 100);
  if (tokenizer->model_vocabulary_size() > rows || rows - tokens > padding)
    throw Error(
        "{}: the tokenizer knows {} tokens, but config.json says vocab_size {}; the tokenizer belongs to another "
        "model",
        (path / (tokenizer_folder.has_tokenizer_json ? "tokenizer.json"
                                                     : tokenizer_folder.tokenizer_class.vocabulary_files().front()))
            .string(),
        tokens, rows);
  if (tokens > rows)
    notes.push_back(fmt::format(
        "{}: the tokenizer adds tokens such as {} (id {}), for which the model has no embedding (vocab_size "
        "{}); texts must not have them",
        path.string(), tokenizer->token(tokens - 1), tokens - 1, rows));
}

ExportSource ModelFolder::source() const {
  return {path, tokenizer_files(read_tokenizer_folder(path, side), *tokenizer)};
}

TruncationSide truncation_side(const std::string& truncate) {
  if (truncate == "left") return TruncationSide::left;
  return truncate == "right" ? TruncationSide::right : TruncationSide::as_tokenizer;
}

std::vector<std::string> folder_notes(const ModelFolder& folder, Task task, std::int64_t max_length) {
  std::vector<std::string> notes = folder.notes;
  if (folder.max_length(max_length) < max_length)
    notes.push_back(fmt::format("data.max_length is {}, but the model has positions for {}: texts are cut there",
                                max_length, folder.max_length(max_length)));
  if (!is_token_task(task) && !folder.tokenizer->begins_with_special_token())
    notes.push_back(fmt::format(
        "{}: the tokenizer puts no special token before a text, so the head reads the first token of the "
        "text itself; a tokenizer_class in tokenizer_config.json, such as BertTokenizer, would put one there",
        folder.path.string()));
  return notes;
}

std::int64_t ModelFolder::max_length(std::int64_t wish) const { return std::min(wish, config.longest_sequence()); }

RunModel::RunModel(const ModelFolder& folder, const HeadRequest& request, double dropout, const LoadOptions& options,
                   Device& device)
    : files(WeightFiles::open(folder.path)),
      model(make_model(with_dropout(folder.config, dropout), request)),
      report(load_weights(*model, files, device, options)) {}

Task task_of(const ModelConfig& config) {
  const std::string name = config.architectures.empty() ? std::string() : config.architectures.front();
  if (name.ends_with("ForMaskedLM")) return Task::masked_lm;
  if (name.ends_with("ForTokenClassification")) return Task::token_classification;
  if (name.ends_with("ForSequenceClassification")) {
    if (config.problem_type == "regression") return Task::regression;
    if (config.problem_type == "multi_label_classification") return Task::multi_label;
    return Task::sequence_classification;
  }
  throw Error(
      "{}: the architecture is '{}', which has no head for a task; fine-tune the model first, or name the folder "
      "of a fine-tuned one",
      (config.folder / "config.json").string(), name.empty() ? "not named" : name);
}

}  // namespace temper
