#include "runtime/evaluation/fitted_model.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "data/tables/conversation_reader.h"
#include "data/text/cut_rows.h"
#include "model/adapters/peft_folder.h"
#include "runtime/evaluation/evaluator.h"
#include "runtime/inputs/chat_data.h"
#include "runtime/inputs/index_check.h"
#include "runtime/steps/finite_weights.h"

namespace temper {
namespace {

/// That of the last adapter, else the model's.
std::optional<TrainedUse> trained_use_of(const ModelChoice& choice) {
  if (!choice.adapters.empty())
    if (std::optional<TrainedUse> use = read_trained_use(choice.adapters.back())) return use;
  return read_trained_use(choice.model);
}

/// An adapter brings the head of its own task.
const TaskSpec& task_of(const ModelConfig& config, const ModelChoice& choice,
                        const std::optional<TrainedUse>& trained) {
  if (choice.adapters.empty()) return task_of(config);
  if (trained && !trained->task.empty()) return task_named(trained->task);
  if (!head_of(config)) {
    const std::string type = read_peft_config(choice.adapters.back()).task_type;
    if (type == "SEQ_CLS") return task_named("sequence-classification");
    if (type == "TOKEN_CLS") return task_named("token-classification");
    if (type == "CAUSAL_LM") return task_named("causal-lm");
  }
  return task_of(config);
}

/// config.json leaves out what transformers takes as a default: LABEL_0 and LABEL_1. One number has no name, several
/// numbers per row have.
std::vector<std::string> label_names(const ModelConfig& config, const TaskSpec& task, const ModelChoice& choice,
                                     const std::optional<TrainedUse>& trained) {
  if (!choice.adapters.empty() && trained && !trained->task.empty()) return trained->labels;
  if (!choice.adapters.empty() && has_label_column(task.labels) && !head_of(config)) {
    std::vector<std::string> names;
    for (std::int64_t i = 0; i < outputs_of_adapter(choice.adapters.back()); ++i)
      names.push_back(fmt::format("LABEL_{}", i));
    return names;
  }
  if (!has_label_column(task.labels) || (task.labels == LabelKind::regression && config.labels.size() < 2)) return {};
  if (!config.labels.empty()) return config.labels;
  return {"LABEL_0", "LABEL_1"};
}

}  // namespace

FittedModel::FittedModel(const ModelChoice& choice, Device& device, Communicator* communicator)
    : device_(device),
      folder_(choice.model),
      trained_(trained_use_of(choice)),
      task_(task_of(folder_.config, choice, trained_)),
      labels_(LabelSet::from_names(label_names(folder_.config, task_, choice, trained_))) {
  model_.emplace(folder_, head_request(task_, labels_), -1.0, LoadOptions{.replace_head = !choice.adapters.empty()},
                 device, communicator);
  folder_.notes.insert(folder_.notes.end(), model_->report.notes.begin(), model_->report.notes.end());
  use_adapters(*model_, device, choice);
  if (choice.adapters.empty() && !model_->report.initialized.empty())
    throw Error("{}: the weights lack the head ('{}' and others); fine-tune the model first", choice.model.string(),
                model_->report.initialized.front());
}

std::optional<Metrics> FittedModel::evaluate_table(const TableSource& table, const TableUse& use,
                                                   std::int64_t batch_size, int threads, Communicator& communicator,
                                                   const std::function<bool()>& stop_requested,
                                                   const std::function<void(const std::string&)>& say) {
  Configuration configuration;
  configuration.data.text = use.text;
  configuration.data.text_pair = use.text_pair;
  if (!use.label.empty()) {
    configuration.data.label.values = use.label;
    configuration.data.label.listed = use.label_listed;
  }
  configuration.data.cache = false;
  configuration.train.seed = use.masking_seed;
  configuration.data.pack = use.pack;
  configuration.data.long_documents = use.long_documents;
  configuration.data.end_token = use.end_token;
  if (table.head().columns == std::vector<std::string>{kConversationColumn})
    configuration.data.format = "conversations";
  configuration.evaluate.stride = use.stride;
  const RowReading reading{configuration, task_, tokenizer(), folder_.config, labels_, max_length(use.max_length),
                           threads};
  const TableNotes notes = notes_of(table, columns_of(configuration.data, task_), task_.labels);
  const TokenStore rows = tokenize_table(table, notes, reading, communicator, [](const std::string&) {});
  const std::optional<TextWindows> windows = text_windows(rows, notes, reading);
  require_indices(rows, index_limits(folder_.config, head()), table.head().path.string());
  require_countable(measured(rows, windows), table.head().path.string());
  // Split documents have more rows than the table, and lose nothing.
  if (!reads_conversations(configuration.data) && rows.rows() == table.rows() &&
      rows.document_starts().data() == rows.starts().data())
    say_cut_rows(rows, table, columns_of(configuration.data, task_), use, threads, communicator, say);
  const std::optional<EntityLabels> entities = entity_labels(task_.labels, labels_.names());
  EvaluationSettings settings;
  settings.task = &task_;
  settings.batch_size = batch_size;
  settings.entities = entities ? &*entities : nullptr;
  settings.threshold = use.threshold;
  settings.stop_requested = stop_requested;
  std::optional<Metrics> metrics = evaluate(model(), device_, communicator, measured(rows, windows), settings);
  if (metrics && !std::isfinite(metrics->value("loss")))
    refuse_not_finite(model(), device_, fmt::format("{}: the loss is", table.head().path.string()));
  return metrics;
}

void FittedModel::say_cut_rows(const TokenStore& rows, const TableSource& table, const ColumnChoice& columns,
                               const TableUse& use, int threads, Communicator& communicator,
                               const std::function<void(const std::string&)>& say) const {
  const std::int64_t length = max_length(use.max_length);
  const std::int64_t cut = count_cut_rows_of_all(
      rows, table, columns, tokenizer(), {static_cast<std::size_t>(length), threads, task_.labels}, communicator);
  if (cut == 0) return;
  say(cut_rows_note(cut, rows.rows(), length, tokenizer().cuts_left()) +
      (max_length(length + 1) > length ? "; --max-length raises the limit" : ""));
}

}  // namespace temper
