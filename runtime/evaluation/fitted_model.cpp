#include "runtime/evaluation/fitted_model.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/name_list.h"
#include "data/tables/conversation_reader.h"
#include "data/text/cut_rows.h"
#include "model/adapters/peft_folder.h"
#include "runtime/evaluation/evaluator.h"
#include "runtime/inputs/chat_data.h"
#include "runtime/inputs/index_check.h"
#include "runtime/inputs/picture_agreement.h"
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

/// Outputs of the head that the last adapter brings; 0: it brings none.
std::size_t outputs_brought(const ModelConfig& config, const ModelChoice& choice, HeadKind head) {
  if (is_over_vocabulary(head)) return 0;
  constexpr std::int64_t kUnlikely = 9973;  // by which the matrix with a row for each output is known
  const std::unique_ptr<Model> model = make_model(config, {head, kUnlikely});
  return static_cast<std::size_t>(outputs_of_adapter(choice.adapters.back(), *model));
}

/// config.json leaves out what transformers takes as a default: LABEL_0 and LABEL_1. One number has no name, several
/// numbers per row have.
std::vector<std::string> labels_of(const ModelConfig& config, const TaskSpec& task) {
  if (!has_label_column(task.labels) || (task.labels == LabelKind::regression && config.labels.size() < 2)) return {};
  if (!config.labels.empty()) return config.labels;
  return {"LABEL_0", "LABEL_1"};
}

FittedModel::Purpose purpose_of(const ModelConfig& config, const ModelChoice& choice, HeadNeed head) {
  if (head == HeadNeed::none && choice.adapters.empty() && !head_of(config)) {
    const TaskSpec& task = task_named(config.reads_images() ? "image-classification" : "sequence-classification");
    return {std::nullopt, &task, {"LABEL_0", "LABEL_1"}};
  }
  if (choice.adapters.empty()) {
    const TaskSpec& task = task_of(config);
    return {read_trained_use(choice.model), &task, labels_of(config, task)};
  }
  AdapterPurpose purpose = purpose_of(choice.adapters.back());
  if (purpose.use) {
    const TaskSpec& task = task_named(purpose.use->task);
    std::vector<std::string> labels = purpose.use->labels;
    return {std::move(purpose.use), &task, std::move(labels)};
  }
  const bool other_head = purpose.head && purpose.head != head_of(config);
  const std::size_t outputs = outputs_brought(config, choice, other_head ? *purpose.head : task_of(config).head);
  const TaskSpec* task = other_head ? task_of_head(*purpose.head, "", outputs > 0 ? outputs : 2) : nullptr;
  if (task == nullptr) task = &task_of(config);
  // Of another head, and of other outputs, the base says nothing.
  FittedModel::Purpose found{other_head ? std::nullopt : read_trained_use(choice.model), task, {}};
  const bool as_base = outputs == 0 || outputs == std::max<std::size_t>(config.labels.size(), 1);
  if (!other_head && as_base) {
    found.labels = labels_of(config, *task);
  } else if (has_label_column(task->labels) && (task->labels != LabelKind::regression || outputs > 1)) {
    for (std::size_t i = 0; i < outputs; ++i) found.labels.push_back(fmt::format("LABEL_{}", i));
  }
  return found;
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

/// Throws Error for a class that the model lacks.
void require_known(const Calibration& calibration, const LabelSet& labels, const ModelChoice& choice) {
  const std::vector<std::string>& names = labels.names();
  const auto require = [&](const std::string& name) {
    if (std::find(names.begin(), names.end(), name) == names.end())
      throw Error("{}: \"calibration\" of its temper.json names {}, but the model's classes are {}; correct the file",
                  (choice.adapters.empty() ? choice.model : choice.adapters.back()).string(), quoted_name(name),
                  name_list(names));
  };
  if (!calibration.positive.empty()) require(calibration.positive);
  for (const ClassThresholds& thresholds : calibration.thresholds) require(thresholds.label);
}

/// What is measured of rows beside the metrics of the task.
MeasureSettings measures_of(const Calibration* calibration, const LabelSet& labels, const TableUse& use) {
  MeasureSettings settings;
  settings.resamples = use.resamples;
  settings.seed = static_cast<std::uint64_t>(use.resample_seed);
  if (calibration == nullptr || calibration->positive.empty()) return settings;
  const std::vector<std::string>& names = labels.names();
  settings.positive =
      static_cast<std::int32_t>(std::find(names.begin(), names.end(), calibration->positive) - names.begin());
  return settings;
}

}  // namespace

FittedModel::FittedModel(const ModelChoice& choice, Device& device, Communicator* communicator, HeadNeed head)
    : device_(device),
      folder_(choice.model, TruncationSide::as_tokenizer, choice.read_as()),
      purpose_(purpose_of(folder_.config, choice, head)),
      labels_(LabelSet::from_names(purpose_.labels)) {
  if (const Calibration* known = calibration(); known != nullptr) require_known(*known, labels_, choice);
  model_.emplace(folder_, head_request(task(), labels_), -1.0, LoadOptions{.replace_head = !choice.adapters.empty()},
                 device, communicator);
  folder_.notes.insert(folder_.notes.end(), model_->report.notes.begin(), model_->report.notes.end());
  for (std::string& note : use_adapters(*model_, device, choice, communicator))
    folder_.notes.push_back(std::move(note));
  has_head_ = !choice.adapters.empty() || model_->report.initialized.empty();
  if (!has_head_ && head == HeadNeed::required)
    throw Error("{}: the weights lack the head ('{}' and others); fine-tune the model first", choice.model.string(),
                model_->report.initialized.front());
}

std::optional<Metrics> FittedModel::evaluate_table(const TableSource& table, const TableUse& use,
                                                   std::int64_t batch_size, int threads, Communicator& communicator,
                                                   const std::function<bool()>& stop_requested,
                                                   const std::function<void(const std::string&)>& say,
                                                   RowOutputs* outputs) {
  if (is_of_images(task().head)) {
    ColumnChoice columns{use.text};
    if (use.label_listed) columns.indicators = use.label;
    if (!use.label_listed && !use.label.empty()) columns.label = use.label.front();
    const ImageRows rows = read_image_rows(table, columns, &labels_, task().labels, use.group);
    require_listed_files(rows, communicator);
    const auto views = image_views(rows, use, threads);
    return measure(*views.front(), table.head().path.string(), use, batch_size, communicator, stop_requested, say,
                   outputs, behind_first(views));
  }
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
  const RowReading reading{configuration, task(), tokenizer(), folder_.config, labels_, max_length(use.max_length),
                           threads};
  const TableNotes notes = notes_of(table, columns_of(configuration.data, task()), task().labels);
  const TokenStore rows = tokenize_table(table, notes, reading, communicator, [](const std::string&) {});
  const std::optional<TextWindows> windows = text_windows(rows, notes, reading);
  require_indices(rows, index_limits(folder_.config, head()), table.head().path.string());
  require_countable(measured(rows, windows, std::nullopt), table.head().path.string());
  // Split documents have more rows than the table, and lose nothing.
  if (!reads_conversations(configuration.data) && rows.rows() == table.rows() &&
      rows.document_starts().data() == rows.starts().data())
    say_cut_rows(rows, table, columns_of(configuration.data, task()), use, threads, communicator, say);
  return measure(measured(rows, windows, std::nullopt), table.head().path.string(), use, batch_size, communicator,
                 stop_requested, say, outputs);
}

std::vector<const ExampleSource*> behind_first(std::span<const std::unique_ptr<ImageSource>> views) {
  std::vector<const ExampleSource*> others;
  for (const std::unique_ptr<ImageSource>& view : views.subspan(1)) others.push_back(view.get());
  return others;
}

std::vector<std::unique_ptr<ImageSource>> FittedModel::image_views(const ImageRows& rows, const TableUse& use,
                                                                   int threads) const {
  std::vector<std::unique_ptr<ImageSource>> views;
  for (const PictureView view : use.views)
    views.push_back(std::make_unique<ImageSource>(rows, image_reading(use, threads, view)));
  return views;
}

ImageReading FittedModel::image_reading(const TableUse& use, int threads, PictureView view) const {
  Configuration configuration;
  if (const auto& images = use.images) {
    configuration.images.frame = images->frame;
    configuration.images.axis = images->axis;
    configuration.images.slice = images->slice;
    configuration.images.window = images->window;
    configuration.images.most_megapixels = images->most_megapixels;
  }
  ImageReading reading =
      temper::image_reading(configuration, folder_.config, *folder_.processor, threads, /*trains=*/false);
  reading.view = view;
  reading.skips_unreadable = use.skip_unreadable;
  return reading;
}

std::optional<Metrics> FittedModel::measure(const ExampleSource& rows, const std::string& source, const TableUse& use,
                                            std::int64_t batch_size, Communicator& communicator,
                                            const std::function<bool()>& stop_requested,
                                            const std::function<void(const std::string&)>& say, RowOutputs* outputs,
                                            std::vector<const ExampleSource*> more_views) {
  const std::optional<EntityLabels> entities = entity_labels(task().labels, labels_.names());
  EvaluationSettings settings;
  settings.task = &task();
  settings.batch_size = batch_size;
  settings.entities = entities ? &*entities : nullptr;
  settings.threshold = use.threshold;
  settings.more_views = std::move(more_views);
  settings.stop_requested = stop_requested;
  const MeasureSettings measures = measures_of(calibration(), labels_, use);
  RowOutputs own;
  RowOutputs& said = outputs != nullptr ? *outputs : own;
  settings.positive = measures.positive;
  settings.outputs = &said;
  std::optional<Metrics> metrics = evaluate(model(), device_, communicator, rows, settings);
  if (metrics && !std::isfinite(metrics->value("loss")))
    refuse_not_finite(model(), device_, fmt::format("{}: the loss is", source));
  if (metrics && said.rows() > 0 && (calibration() != nullptr || measures.resamples > 0)) {
    if (const std::string note = resample_note(said, measures); !note.empty()) say(note);
    const std::string note =
        add_row_measures(*metrics, said, labels_.names(), measures,
                         calibration() == nullptr ? std::nullopt : std::optional(*calibration()), communicator);
    if (!note.empty()) say(note);
  }
  return metrics;
}

void FittedModel::say_cut_rows(const TokenStore& rows, const TableSource& table, const ColumnChoice& columns,
                               const TableUse& use, int threads, Communicator& communicator,
                               const std::function<void(const std::string&)>& say) const {
  const std::int64_t length = max_length(use.max_length);
  const std::int64_t cut = count_cut_rows_of_all(
      rows, table, columns, tokenizer(), {static_cast<std::size_t>(length), threads, task().labels}, communicator);
  if (cut == 0) return;
  say(cut_rows_note(cut, rows.rows(), length, tokenizer().cuts_left()) +
      (max_length(length + 1) > length ? "; --max-length raises the limit" : ""));
}

}  // namespace temper
