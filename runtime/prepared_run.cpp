#include "runtime/prepared_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/counted.h"
#include "base/error.h"
#include "base/human_numbers.h"
#include "base/mapped_file.h"
#include "data/sampler.h"
#include "model/freezing.h"
#include "runtime/checkpoints/disk_room.h"
#include "runtime/checkpoints/resumption.h"
#include "runtime/checkpoints/run_shape.h"
#include "runtime/checkpoints/saved_parameters.h"
#include "runtime/evaluation/measure_settings.h"
#include "runtime/evaluation/model_selection.h"
#include "runtime/inputs/chat_data.h"
#include "runtime/inputs/class_weights.h"
#include "runtime/inputs/data_origin.h"
#include "runtime/inputs/image_data.h"
#include "runtime/inputs/index_check.h"
#include "runtime/inputs/run_adapter.h"
#include "runtime/model_export.h"
#include "runtime/probing/probe_record.h"
#include "runtime/steps/batch_norm_statistics.h"
#include "runtime/steps/step_settings.h"
#include "runtime/tasks/scores.h"

namespace temper {

PreparedRun::PreparedRun(const Configuration& configuration, Device& device, Communicator& communicator, const Job& job,
                         RunReporter& reporter, TrainingState& state, std::function<bool()> wants_to_stop,
                         RunPurpose purpose)
    : configuration_(configuration),
      device_(device),
      communicator_(communicator),
      job_(job),
      purpose_(purpose),
      reporter_(reporter),
      say_([&reporter](const std::string& text) { reporter.say(text); }),
      wants_to_stop_(std::move(wants_to_stop)),
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
  if (purpose_ == RunPurpose::training) open_folder(state);
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

  model_folder_.emplace(configuration_.model.path, truncation_side(configuration_.data.truncate),
                        configuration_.model.adapter);
  const bool splits = task_.labels == LabelKind::next_token && configuration_.data.long_documents == "split";
  for (const std::string& note :
       folder_notes(*model_folder_, configuration_.data.max_length,
                    splits ? "longer documents are split into pieces of so many" : "longer texts are cut there"))
    say_(note);
  if (const std::string own = text_of_own_template(configuration_.data); !own.empty())
    model_folder_->own_chat_template = own;
  require_head(model_folder_->config, task_.head);
  model_folder_->set_image_size(configuration_.images.size);
  // Damaged weights are told before rows are read and tokenised, which may take long.
  if (!configuration_.model.initialize) (void)WeightFiles::open(model_folder_->path);
  data_ = is_of_images(task_.head)
              ? prepare_image_data(configuration_, task_, model_folder_->config, *model_folder_->processor,
                                   state.threads, communicator_, say_)
              : prepare_run_data(configuration_, task_, *model_folder_->tokenizer, model_folder_->config, max_length(),
                                 state.threads, communicator_, say_);
  for (const Finding& finding : data_->findings) say_(finding.sentence);
  require_rows(configuration_, data_->train_rows().rows(), data_->validation_rows().rows());
  if (data_->packed)
    say_(fmt::format("{} packed into {} of at most {}, {:.1f} % full", counted(data_->train.rows(), "sequence"),
                     counted(data_->packed->rows(), "row"), counted(max_length(), "token"),
                     100.0 * data_->packed->fill()));
  if (data_->train_rows().rows() == 0) throw Error("{}: holds no rows to train on", configuration_.data.train.text());
  state.labels = data_->labels.names();
  require_indices(*data_, configuration_, model_folder_->config);
}

void PreparedRun::prepare_model(const TrainingState& state) {
  measures_ = measure_settings(configuration_.evaluate, task_, data_->labels);
  (void)is_calibrated(configuration_.evaluate, task_, data_->validation_examples().rows());
  head_ = head_request(task_, data_->labels);
  head_.loss.class_weights =
      class_weights(configuration_.train, task_, data_->training(), data_->labels.size(), device_);
  // Rates are compared by what their steps make smaller.
  head_.loss.weights_evaluations = purpose_ == RunPurpose::probe;
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
  lineage_.chat_template = text_of_own_template(configuration_.data);
  add_model_files(lineage_.data_files, model_folder_->tokenizer_path, configuration_.model.adapter);
  base_model_digest_.emplace(model_folder_->path, communicator_, configuration_.model.initialize);
  if (const std::string& adapter = configuration_.model.adapter; !adapter.empty()) {
    require_base_of(adapter, model_->files, model_folder_->path, &communicator_);
    adapter_base_ = base_of_adapter(adapter);
  }
  if (model_->lora) say_(adapters_note(*model_->lora));
  if (task_.loss == LossKind::preference) compare_with_start();
}

void PreparedRun::compare_with_start() {
  const DataSection& data = configuration_.data;
  ReferenceSettings settings{activations_, {}, say_, wants_to_stop_};
  if (configuration_.model.adapter.empty() && model_->lora)
    settings.new_adapters = {&*model_->lora, make_model(model_folder_->config, head_)->definition()};
  if (data.cache)
    settings.folder = data.cache_dir.empty() ? std::filesystem::path(configuration_.output.dir) / "cache"
                                             : std::filesystem::path(data.cache_dir);
  std::vector<PairedRows*> pairs;
  for (std::optional<PairedRows>* rows : {&data_->train_pairs, &data_->validation_pairs, &data_->test_pairs})
    if (*rows) pairs.push_back(&**rows);
  for (EvaluationSet& set : data_->sets)
    if (set.pairs) pairs.push_back(&*set.pairs);
  reference_ = compare_with_model(pairs, model(), device_, communicator_, settings);
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
  steps_per_epoch_ = temper::steps_per_epoch(data_->training().epoch_rows(), configuration_.train.batch_size);
  const std::vector<PhasePlan> plan = phases(state);
  const std::unique_ptr<Model> merged = model_of_merged(plan);
  const ModelsOfPhases models(model(), merged.get());
  require_patterns(models, plan, configuration_.tuning.rates);
  if (resumed_) {
    for (const std::string& note : require_same_origin(*resumed_, complete_lineage(), configuration_)) say_(note);
    if (length_before_)
      change_length(state, *length_before_, configuration_.tuning, steps_per_epoch_, plan.back().end_step);
    if (state.adapters_merged) merge_adapters();  // which makes room for the values that the checkpoint has
    restore_parameters(resumed_->checkpoint, model(), device_);
  } else {
    for (const auto* names : {&model_->report.initialized, &model_->report.replaced})
      for (const std::string& name : *names) state.changed.emplace_back(name, 0);
    if (purpose_ == RunPurpose::training) warn_of_start(state, plan, models);
  }
  if (const std::string note = batch_norm_note(model(), configuration_.train.batch_norm == "live"); !note.empty())
    say_(note);
  schedule_ = schedule_of(configuration_.train, state);
  if (!state.finished && purpose_ == RunPurpose::training) check_disk(state, plan);
}

std::unique_ptr<Model> PreparedRun::model_of_merged(std::span<const PhasePlan> plan) const {
  const auto merging =
      std::find_if(plan.begin(), plan.end(), [](const PhasePlan& phase) { return phase.merge_adapters; });
  if (merging == plan.end() || !model_->lora) return nullptr;
  if (const std::string reason = reason_against_merging(*model_->model, *model_->lora); !reason.empty())
    throw usage_error("tuning.phases, phase {}: {}; take merge_adapters out, or that module out of {}",
                      merging - plan.begin() + 1, reason,
                      configuration_.model.adapter.empty() ? "lora.targets" : "the adapter");
  return make_model(model_folder_->config, head_);
}

void PreparedRun::warn_of_start(const TrainingState& state, std::span<const PhasePlan> plan,
                                const ModelsOfPhases& models) {
  std::vector<std::string> drawn;
  for (const auto& [name, step] : state.changed) drawn.push_back(name);
  if (const auto frozen = never_trained(models, plan, drawn); !frozen.empty())
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
  if (communicator_.rank() == 0)
    if (const std::string note = probe_note(folder_->path(), configuration_); !note.empty()) say_(note);
}

void PreparedRun::check_disk(const TrainingState& state, std::span<const PhasePlan> plan) {
  // The smallest room counts where hosts do not see the same file system; that they share the folder has been asked.
  const std::optional<std::int64_t> found = free_room(folder_->path());
  std::vector<std::int64_t> room{found.value_or(std::numeric_limits<std::int64_t>::max())};
  communicator_.all_reduce(std::span(room), Reduction::min);
  const UpdateRule& rule = update_rule(configuration_.train.update.rule);
  DiskNeed need;
  bool adapters = model_->lora.has_value();
  for (std::size_t i = state.phase; i < plan.size(); ++i) {
    adapters = adapters && !plan[i].merge_adapters;
    // Of a model whose adapters will be merged, what is trained then is not known before.
    if (plan[i].merge_adapters && model_->lora) break;
    apply_freezing(model(), plan[i].freeze, plan[i].freeze_key);
    need.checkpoint = std::max(need.checkpoint, checkpoint_bytes(model(), rule));
    if (configuration_.output.export_model) need.model = export_bytes(model(), adapters);
  }
  apply_freezing(model(), {});
  need.checkpoints = checkpoints_at_once(configuration_.checkpoint, data_->validation_rows().rows() > 0,
                                         plan.back().end_step - state.step, steps_per_epoch_);
  // What an older run left stays, under another name; what this one left goes as new checkpoints come.
  const std::int64_t held = resumed_ ? bytes_in(folder_->checkpoints()) + bytes_in(folder_->model()) : 0;
  // One that was being written when the run was killed makes way.
  const std::int64_t unfinished = resumed_ ? bytes_in(folder_->checkpoints(), ".partial") : 0;
  if (need.checkpoint - unfinished > room.front())
    throw Error(
        "{}: a checkpoint takes {} MiB, but the disk has {} MiB free there; free some, or choose another output.dir",
        folder_->path().string(), mebibytes(need.checkpoint), whole_mebibytes(room.front()));
  if (const std::string note = disk_note(need, folder_->path(), room.front(), held); !note.empty()) say_(note);
}

void PreparedRun::open_folder(const TrainingState& state) {
  if (!resumed_) folder_->set_aside_older_run(say_);
  // The model of the shorter run must not pass for that of the longer one, should this be killed at its end.
  if (length_before_ && !state.finished) folder_->set_aside_model(say_);
  folder_->make_checkpoint_folder();
  if (communicator_.rank() == 0) write_file_atomically(folder_->path() / "configuration.toml", to_toml(configuration_));
  // Of a run that is over nothing is said again, so that nothing may be cut off its logs.
  if (state.finished && has_handed_over()) return;
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

bool PreparedRun::has_handed_over() const {
  return configuration_.output.export_model ? has_delivered() : data_->test_rows().rows() == 0;
}

const Lineage& PreparedRun::complete_lineage() {
  lineage_.base_model_sha256 = base_model_digest_->get();
  // A fingerprint has been compared at the start, and holds where the same weights lie in other files.
  if (adapter_base_.fingerprint.empty())
    require_base(adapter_base_, lineage_.base_model_sha256, configuration_.model.adapter, model_folder_->path);
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
  summary.train_rows = data_->training().epoch_rows();
  summary.unreadable_rows = data_->images.train_unreadable;
  summary.validation_rows = data_->validation_examples().rows();
  summary.test_rows = data_->test_examples().rows();
  summary.labels = static_cast<std::int64_t>(data_->labels.size());
  summary.first_step = state.step;
  summary.total_steps = phases(state).back().end_step;
  summary.grains = state.grains;
  summary.local_ranks = communicator_.topology().local_size;
  summary.job = job_;
  summary.of_images = is_of_images(task_.head);
  return summary;
}

}  // namespace temper
