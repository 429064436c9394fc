#include "runtime/prepared_run.h"

#include <fmt/format.h>

#include <utility>

#include "base/counted.h"
#include "base/error.h"
#include "base/mapped_file.h"
#include "data/sampler.h"
#include "model/adapters/peft_folder.h"
#include "runtime/checkpoints/resumption.h"
#include "runtime/checkpoints/run_shape.h"
#include "runtime/checkpoints/saved_parameters.h"
#include "runtime/evaluation/model_selection.h"
#include "runtime/evaluation/reference_probabilities.h"
#include "runtime/inputs/chat_data.h"
#include "runtime/inputs/class_weights.h"
#include "runtime/inputs/index_check.h"
#include "runtime/inputs/run_adapter.h"
#include "runtime/model_export.h"
#include "runtime/steps/step_settings.h"
#include "runtime/tasks/scores.h"

namespace temper {

PreparedRun::PreparedRun(const Configuration& configuration, Device& device, Communicator& communicator, const Job& job,
                         RunReporter& reporter, TrainingState& state)
    : configuration_(configuration),
      device_(device),
      communicator_(communicator),
      job_(job),
      reporter_(reporter),
      say_([&reporter](const std::string& text) { reporter.say(text); }),
      task_(task_named(configuration.model.task)) {
  communicator_.set_timeout(configuration_.run.timeout_seconds);
  HostAgreement hosts(communicator_, input_files(configuration_), device_.arithmetic(), to_toml(configuration_));
  take_folder(hosts);
  find_start(state);
  require_possible_metric(configuration_.train.metric, task_);
  activations_ = activation_type(configuration_.train, device_, say_);
  nccl_ = connect_gpus(configuration_.run, device_, communicator_, say_);
  prepare_data(state);
  prepare_model(state);
  go_to_start(state);
  // What hosts read of the weights meanwhile is the last that may refuse the run.
  hosts.finish();
  open_folder(state);
}

void PreparedRun::take_folder(const HostAgreement& hosts) {
  if (!hosts.note().empty()) say_(hosts.note());
  folder_.emplace(configuration_, job_.name, communicator_, say_);
}

void PreparedRun::find_start(TrainingState& state) {
  if (std::optional<Resumption> found = find_checkpoint_to_resume(configuration_, communicator_, say_)) {
    state = std::move(found->state);
    resumed_.emplace(std::move(found->found));
    length_before_ = std::move(found->length_before);
  }
}

void PreparedRun::prepare_data(TrainingState& state) {
  if (!resumed_) fix_shape(state, configuration_, communicator_);
  set_cpu_threads(state.threads);
  warn_of_shape(state, resumed_.has_value(), device_, communicator_, say_);

  model_folder_.emplace(configuration_.model.path, truncation_side(configuration_.data.truncate));
  const bool splits = task_.labels == LabelKind::next_token && configuration_.data.long_documents == "split";
  for (const std::string& note :
       folder_notes(*model_folder_, configuration_.data.max_length,
                    splits ? "longer documents are split into pieces of so many" : "longer texts are cut there"))
    say_(note);
  if (reads_conversations(configuration_.data) && configuration_.data.chat_template != "tokenizer" &&
      configuration_.data.chat_template != "none")
    model_folder_->own_chat_template = std::string(MappedFile(configuration_.data.chat_template).text());
  require_head(model_folder_->config, task_.head);
  data_ = prepare_run_data(configuration_, task_, *model_folder_->tokenizer, model_folder_->config, max_length(),
                           state.threads, communicator_, say_);
  for (const Finding& finding : data_->findings) say_(finding.sentence);
  require_rows(configuration_, data_->train.rows(), data_->validation.rows());
  if (data_->packed)
    say_(fmt::format("{} packed into {} of at most {}, {:.1f} % full", counted(data_->train.rows(), "sequence"),
                     counted(data_->packed->rows(), "row"), counted(max_length(), "token"),
                     100.0 * data_->packed->fill()));
  if (data_->train.rows() == 0) throw Error("{}: holds no rows to train on", configuration_.data.train.text());
  state.labels = data_->labels.names();
  require_indices(*data_, configuration_, model_folder_->config);
}

void PreparedRun::prepare_model(const TrainingState& state) {
  head_ = head_request(task_, data_->labels);
  head_.loss.class_weights = class_weights(configuration_.train, task_, data_->train, data_->labels.size(), device_);
  head_.loss.label_smoothing = static_cast<float>(configuration_.train.label_smoothing);
  head_.loss.z_loss = static_cast<float>(configuration_.train.z_loss);
  const PreferenceSection& preference = configuration_.preference;
  head_.loss.preference = {preference.loss == "ipo" ? PreferenceKind::ipo : PreferenceKind::sigmoid, preference.beta,
                           preference.label_smoothing, preference.length_normalized};
  load_base_model();
  if (const std::string note = first_token_note(*model_folder_, model().readout()); !note.empty()) say_(note);
  // Of a run that goes on, its checkpoint holds them all.
  if (configuration_.model.initialize) {
    if (!resumed_) say_(initialized_note(*model_->model, seed()));
  } else if (!resumed_) {
    reporter_.weights(model_->report);
  }
  const std::string kept_head = kept_head_note(model_->report, model_folder_->config.labels, state.labels);
  if (!kept_head.empty()) say_(kept_head);
  entities_ = entity_labels(task_.labels, data_->labels.names());
  metric_ = choose_metric(configuration_.train.metric, task_, entities());
  lineage_ = lineage_of(configuration_, model_folder_->path, *data_, communicator_.size());
  lineage_.job = job_.text();
  base_model_digest_.emplace(model_folder_->path, communicator_, configuration_.model.initialize);
  if (const std::string& adapter = configuration_.model.adapter; !adapter.empty())
    require_base(adapter, base_model_digest_->get(), model_folder_->path);
  if (model_->lora) say_(adapters_note(*model_->lora));
  if (task_.loss == LossKind::preference) compare_with_start();
}

void PreparedRun::compare_with_start() {
  const DataSection& data = configuration_.data;
  ReferenceSettings settings{activations_, {}, say_};
  if (data.cache)
    settings.folder = data.cache_dir.empty() ? std::filesystem::path(configuration_.output.dir) / "cache"
                                             : std::filesystem::path(data.cache_dir);
  std::vector<PairedRows*> pairs;
  for (std::optional<PairedRows>* rows : {&data_->train_pairs, &data_->validation_pairs, &data_->test_pairs})
    if (*rows) pairs.push_back(&**rows);
  for (EvaluationSet& set : data_->sets)
    if (set.pairs) pairs.push_back(&*set.pairs);
  compare_with_model(pairs, model(), device_, communicator_, settings);
}

void PreparedRun::load_base_model() {
  model_.emplace(*model_folder_, head_, configuration_.model.dropout,
                 LoadOptions{configuration_.model.replace_head, seed(),
                             labels_that_keep_head(data_->labels, model_folder_->config.labels),
                             configuration_.model.initialize, configuration_.train.mup_base_width},
                 device_, &communicator_);
  put_adapters(*model_, device_, configuration_);
  model_->model->checkpoint_activations(configuration_.train.checkpoint_activations.layers);
}

void PreparedRun::go_to_start(TrainingState& state) {
  steps_per_epoch_ = temper::steps_per_epoch(data_->training().rows(), configuration_.train.batch_size);
  const std::vector<PhasePlan> plan = phases(state);
  require_patterns(model(), plan, configuration_.tuning.rates);
  if (resumed_) {
    for (const std::string& note : require_same_origin(*resumed_, complete_lineage(), configuration_)) say_(note);
    if (length_before_)
      change_length(state, *length_before_, configuration_.tuning, steps_per_epoch_, plan.back().end_step);
    if (state.adapters_merged) merge_adapters();  // which makes room for the values that the checkpoint has
    restore_parameters(resumed_->checkpoint, model(), device_);
  } else {
    for (const auto* names : {&model_->report.initialized, &model_->report.replaced})
      for (const std::string& name : *names) state.changed.emplace_back(name, 0);
    warn_of_start(state, plan);
  }
  schedule_ = schedule_of(configuration_.train, state);
}

void PreparedRun::warn_of_start(const TrainingState& state, std::span<const PhasePlan> plan) {
  std::vector<std::string> drawn;
  for (const auto& [name, step] : state.changed) drawn.push_back(name);
  if (const auto frozen = never_trained(model(), plan, drawn); !frozen.empty())
    say_(
        fmt::format("new weights that no phase trains stay as they were drawn, {} among them; take what freezes them "
                    "out of {}",
                    frozen.front(), configuration_.tuning.phases.empty() ? "tuning.freeze" : "tuning.phases"));
  const std::int64_t steps = plan.back().end_step;
  const std::int64_t rising = warmup_steps(configuration_.train, steps);
  if (rising > steps)
    say_(
        fmt::format("train.warmup_steps is {}, but the run has {}: the learning rate never reaches "
                    "train.learning_rate",
                    rising, counted(steps, "step")));
}

void PreparedRun::open_folder(const TrainingState& state) {
  if (!resumed_) folder_->set_aside_older_run(say_);
  // The model of the shorter run must not pass for that of the longer one, should this be killed at its end.
  if (length_before_ && !state.finished) folder_->set_aside_model(say_);
  folder_->make_checkpoint_folder();
  if (communicator_.rank() == 0) write_file_atomically(folder_->path() / "configuration.toml", to_toml(configuration_));
  reporter_.open_logs(folder_->path(), resumed_ ? std::optional(state.step) : std::nullopt);
}

void PreparedRun::merge_adapters() {
  merge_lora(model(), device_, model_->lora.value());
  model_->lora.reset();
}

bool PreparedRun::has_delivered() const {
  // Which of the two it is depends on the phase that the best model comes from.
  return std::filesystem::exists(folder_->model() / kPeftConfigFile) ||
         std::filesystem::exists(folder_->model() / "config.json");
}

const Lineage& PreparedRun::complete_lineage() {
  lineage_.base_model_sha256 = base_model_digest_->get();
  return lineage_;
}

std::vector<PhasePlan> PreparedRun::phases(const TrainingState& state) const {
  return plan_phases(configuration_.tuning, configuration_.train, steps_per_epoch_, state.phase_ends);
}

RunSummary PreparedRun::summary(const TrainingState& state) const {
  RunSummary summary;
  summary.ranks = communicator_.size();
  summary.threads = state.threads;
  summary.device = device_.name();
  summary.train_rows = data_->training().rows();
  summary.validation_rows = data_->validation_examples().rows();
  summary.test_rows = data_->test_examples().rows();
  summary.labels = static_cast<std::int64_t>(data_->labels.size());
  summary.first_step = state.step;
  summary.total_steps = phases(state).back().end_step;
  summary.grains = state.grains;
  summary.local_ranks = communicator_.topology().local_size;
  summary.job = job_;
  return summary;
}

}  // namespace temper
