#include "runtime/run_model.h"

#include <algorithm>

#include "base/error.h"

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

ModelFolder::ModelFolder(const std::filesystem::path& folder)
    : path(folder), config(read_model_config(folder)), tokenizer(Tokenizer::load(folder / "tokenizer.json")) {
  // Vocabularies are padded to round numbers now and then, so a few rows more than tokens are no mistake.
  const std::int64_t tokens = tokenizer->vocabulary_size();
  const std::int64_t rows = config.vocabulary_size;
  const std::int64_t padding = std::max<std::int64_t>(128, rows / 100);
  if (tokens > rows || rows - tokens > padding)
    throw Error(
        "{}: the tokenizer knows {} tokens, but config.json says vocab_size {}; the tokenizer belongs to another "
        "model",
        (folder / "tokenizer.json").string(), tokens, rows);
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
