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

/// What the last adapter says of itself, and its head.
struct AdapterPurpose {
  std::optional<TrainedUse> use;  ///< where Temper wrote it
  std::optional<HeadKind> head;   ///< nothing where it says none, and that of the base serves
};

AdapterPurpose purpose_of(const std::filesystem::path& adapter) {
  AdapterPurpose purpose{read_trained_use(adapter), {}};
  if (purpose.use && purpose.use->task.empty()) purpose.use.reset();
  if (purpose.use) {
    purpose.head = task_named(purpose.use->task).head;
  } else {
    purpose.head = head_kind_of(read_peft_config(adapter).task_type, (adapter / kPeftConfigFile).string());
  }
  return purpose;
}

/// Whether the adapter goes on another head than its base has, of which the base then says nothing.
bool has_other_head(const ModelConfig& config, const AdapterPurpose& purpose) {
  return purpose.head && purpose.head != head_of(config);
}

std::optional<TrainedUse> trained_use_of(const ModelConfig& config, const ModelChoice& choice) {
  if (choice.adapters.empty()) return read_trained_use(choice.model);
  AdapterPurpose purpose = purpose_of(choice.adapters.back());
  if (purpose.use) return std::move(purpose.use);
  return has_other_head(config, purpose) ? std::nullopt : read_trained_use(choice.model);
}

/// Outputs of the head that the last adapter brings; 0: it brings none.
std::size_t outputs_brought(const ModelConfig& config, const ModelChoice& choice, HeadKind head) {
  if (is_over_vocabulary(head)) return 0;
  constexpr std::int64_t kUnlikely = 9973;  // by which the matrix with a row for each output is known
  const std::unique_ptr<Model> model = make_model(config, {head, kUnlikely});
  return static_cast<std::size_t>(outputs_of_adapter(choice.adapters.back(), *model));
}

const TaskSpec& task_of(const ModelConfig& config, const ModelChoice& choice) {
  if (choice.adapters.empty()) return task_of(config);
  const AdapterPurpose purpose = purpose_of(choice.adapters.back());
  if (purpose.use) return task_named(purpose.use->task);
  if (!has_other_head(config, purpose)) return task_of(config);
  const std::size_t outputs = outputs_brought(config, choice, *purpose.head);
  const TaskSpec* task = task_of_head(*purpose.head, "", outputs > 0 ? outputs : 2);
  return task != nullptr ? *task : task_of(config);
}

/// config.json leaves out what transformers takes as a default: LABEL_0 and LABEL_1. One number has no name, several
/// numbers per row have.
std::vector<std::string> label_names(const ModelConfig& config, const TaskSpec& task, const ModelChoice& choice) {
  if (!choice.adapters.empty()) {
    const AdapterPurpose purpose = purpose_of(choice.adapters.back());
    if (purpose.use) return purpose.use->labels;
    if (!has_label_column(task.labels)) return {};
    const std::size_t outputs = outputs_brought(config, choice, task.head);
    const bool as_base = outputs == 0 || outputs == std::max<std::size_t>(config.labels.size(), 1);
    if (has_other_head(config, purpose) || !as_base) {
      std::vector<std::string> names;
      for (std::size_t i = 0; i < outputs; ++i) names.push_back(fmt::format("LABEL_{}", i));
      return task.labels == LabelKind::regression && outputs < 2 ? std::vector<std::string>() : names;
    }
  }
  if (!has_label_column(task.labels) || (task.labels == LabelKind::regression && config.labels.size() < 2)) return {};
  if (!config.labels.empty()) return config.labels;
  return {"LABEL_0", "LABEL_1"};
}

/// Conversations, of which the same is learnt as was in training.
void as_in_training(const std::optional<ConversationUse>& conversations, DataSection& data) {
  data.format = "conversations";
  if (!conversations) return;
  data.learn = conversations->learn;
  data.learn_roles = conversations->roles;
  data.chat_template = conversations->has_template ? "tokenizer" : "none";
  if (!conversations->date.empty()) data.template_date = conversations->date;
}

}  // namespace

FittedModel::FittedModel(const ModelChoice& choice, Device& device, Communicator* communicator)
    : device_(device),
      folder_(choice.model, TruncationSide::as_tokenizer,
              choice.adapters.empty() ? std::filesystem::path() : choice.adapters.back()),
      trained_(trained_use_of(folder_.config, choice)),
      task_(task_of(folder_.config, choice)),
      labels_(LabelSet::from_names(label_names(folder_.config, task_, choice))) {
  model_.emplace(folder_, head_request(task_, labels_), -1.0, LoadOptions{.replace_head = !choice.adapters.empty()},
                 device, communicator);
  folder_.notes.insert(folder_.notes.end(), model_->report.notes.begin(), model_->report.notes.end());
  for (std::string& note : use_adapters(*model_, device, choice, communicator))
    folder_.notes.push_back(std::move(note));
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
    as_in_training(use.conversations, configuration.data);
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
