// What a reader would otherwise get wrong: every decision that ends or bends the loop (stop, save, evaluate, end of a
// phase, early stopping) is a pure function of the step, or of numbers that all ranks have just reduced together. No
// rank ever acts on its own clock or signal alone, so no rank is ever left waiting.
#include "runtime/trainer.h"

#include <array>
#include <filesystem>
#include <optional>

#include "base/clock.h"
#include "base/error.h"
#include "base/mapped_file.h"
#include "base/memory_usage.h"
#include "data/loader.h"
#include "data/sampler.h"
#include "model/freezing.h"
#include "runtime/checkpoints/base_model_digest.h"
#include "runtime/checkpoints/checkpoint_folder.h"
#include "runtime/checkpoints/resumption.h"
#include "runtime/checkpoints/run_shape.h"
#include "runtime/checkpoints/saved_parameters.h"
#include "runtime/environment/host_agreement.h"
#include "runtime/environment/run_folder.h"
#include "runtime/environment/time_limit.h"
#include "runtime/evaluation/evaluator.h"
#include "runtime/evaluation/model_selection.h"
#include "runtime/frozen/phase_caches.h"
#include "runtime/inputs/class_weights.h"
#include "runtime/inputs/device_setup.h"
#include "runtime/inputs/index_check.h"
#include "runtime/inputs/run_data.h"
#include "runtime/inputs/run_model.h"
#include "runtime/model_export.h"
#include "runtime/reporting/run_reporter.h"
#include "runtime/reporting/throughput.h"
#include "runtime/steps/parameter_updates.h"
#include "runtime/steps/phases.h"
#include "runtime/steps/step_settings.h"
#include "runtime/steps/training_step.h"

namespace temper {
namespace {

class Trainer {
 public:
  Trainer(const Configuration& configuration, Device& device, Communicator& communicator, const TrainOptions& options)
      : configuration_(configuration),
        device_(device),
        communicator_(communicator),
        options_(options),
        start_(Clock::now()),
        time_limit_(configuration.run.max_minutes, options.process_seconds, options.job.end),
        wants_to_stop_([this] { return options_.stop_requested() || time_limit_.is_due(); }),
        task_(parse_task(configuration.model.task)),
        trace_(options.profile, communicator),
        reporter_(configuration.output, communicator.rank() == 0, options.stream, options.terminal, options.columns) {}

  TrainReport run();

 private:
  // ---- before the first step
  /// Collective. Throws Error where hosts differ, or where the folder is not this run's to write in.
  void agree();
  void load();
  /// Collective. The last that may refuse the run, and then what is left of an older one is set aside.
  void open_folder();
  /// The model as it is before any training; its new weights are the same ones each time.
  void load_base_model();
  /// Collective. The lineage with the base model's digest, which may have to be waited for.
  const Lineage& complete_lineage();
  void describe_start();

  // ---- steps
  void train_phase();
  void make_caches(const PhasePlan& phase);
  /// Counts as training. False if a signal came, which is then noted.
  bool fill_training_cache();
  /// What is due behind a step: an evaluation, and with it perhaps the end of the phase, which is then noted.
  bool phase_is_over(const PhasePlan& phase, std::size_t phases);
  /// Throws Error, with where to go back to, where the loss is not finite.
  StepOutcome take_step(const Step& batch, double learning_rate, const StepWishes& wishes);
  void advance(const StepOutcome& outcome);
  void report_step(const StepOutcome& outcome, double learning_rate);
  bool evaluation_due() const;
  /// Between two evaluations.
  std::int64_t evaluation_steps() const {
    return configuration_.evaluate.every_steps > 0 ? configuration_.evaluate.every_steps : steps_per_epoch_;
  }
  void evaluate_and_judge();
  void save();
  bool run_has_ended() const;
  std::vector<PhasePlan> phases() const;
  std::int64_t max_length() const { return model_folder_->max_length(configuration_.data.max_length); }
  std::uint64_t seed() const { return static_cast<std::uint64_t>(configuration_.train.seed); }
  Step next_of(Loader& loader);

  // ---- after the last
  void finish();
  /// Measures the best model on the test rows and exports it.
  void deliver();
  /// Of a finished run that was ended between its last checkpoint and its model.
  bool delivery_is_due();
  void load_best();
  /// Nothing if a signal came meanwhile.
  std::optional<Metrics> evaluate_on(const TokenStore& data);
  TrainReport report();

  const Configuration& configuration_;
  Device& device_;
  Communicator& communicator_;
  const TrainOptions& options_;
  Clock::time_point start_;
  TimeLimit time_limit_;
  std::function<bool()> wants_to_stop_;  ///< this rank, by a signal or by its clock
  Task task_;
  std::optional<RunFolder> folder_;
  std::optional<HostAgreement> hosts_;  ///< until they agree in everything
  RunTrace trace_;
  RunReporter reporter_;

  std::optional<ModelFolder> model_folder_;
  std::optional<RunData> data_;
  std::optional<RunModel> model_;
  std::optional<EntityLabels> entities_;
  std::unique_ptr<NcclCommunicator> nccl_;
  DType activations_ = DType::f32;
  LossSettings loss_;
  std::optional<ModelSelection> selection_;
  Lineage lineage_;
  std::optional<BaseModelDigest> base_model_digest_;

  std::optional<FoundCheckpoint> resumed_;
  std::optional<TrainSection> length_before_;  ///< of a resumed run that is to have another length
  TrainSection schedule_;                      ///< what the learning rate follows
  TrainingState state_;
  std::int64_t steps_per_epoch_ = 0;
  std::int64_t total_steps_ = 0;
  std::int64_t measured_before_ = -1;  ///< the last step that an earlier start evaluated
  std::unique_ptr<TrainingStep> step_;
  std::optional<PhaseCaches> caches_;  ///< while a phase lasts

  bool stop_ = false;
  bool ended_early_ = false;
  bool already_finished_ = false;
  bool saved_this_step_ = false;
  Clock::time_point last_save_ = Clock::now();
  std::filesystem::path checkpoint_;
  std::filesystem::path exported_;
  Metrics test_;
  Throughput throughput_;
  double seconds_to_first_step_ = 0.0;
};

TrainReport Trainer::run() {
  communicator_.set_timeout(configuration_.run.timeout_seconds);
  agree();
  const Say say = [&](const std::string& text) { reporter_.say(text); };
  if (std::optional<Resumption> found = find_checkpoint_to_resume(configuration_, communicator_, say)) {
    state_ = std::move(found->state);
    resumed_.emplace(std::move(found->found));
    length_before_ = std::move(found->length_before);
  }
  measured_before_ = state_.last_evaluated_step;
  activations_ = activation_type(configuration_.train, device_, say);
  nccl_ = connect_gpus(configuration_.run, device_, communicator_, say);
  load();
  if (state_.finished) {
    already_finished_ = true;
    if (delivery_is_due()) deliver();
    return report();
  }
  describe_start();
  // A run that was stopped between its last step and its end has a phase to close, though no step to take.
  do train_phase();
  while (!run_has_ended() && !stop_);
  if (!stop_) finish();
  return report();
}

void Trainer::agree() {
  hosts_.emplace(communicator_, input_files(configuration_), device_.arithmetic(), to_toml(configuration_));
  if (!hosts_->note().empty()) reporter_.say(hosts_->note());
  folder_.emplace(configuration_, options_.job.name, communicator_,
                  [&](const std::string& text) { reporter_.say(text); });
}

void Trainer::load() {
  const Say say = [&](const std::string& text) { reporter_.say(text); };
  if (!resumed_) fix_shape(state_, configuration_, communicator_);
  set_cpu_threads(state_.threads);
  warn_of_idle_ranks(state_, communicator_, say);

  model_folder_.emplace(configuration_.model.path, truncation_side(configuration_.data.truncate));
  for (const std::string& note : folder_notes(*model_folder_, task_, configuration_.data.max_length))
    reporter_.say(note);
  data_ = prepare_run_data(configuration_, task_, *model_folder_->tokenizer, model_folder_->config, max_length(),
                           state_.threads, communicator_, say);
  for (const Finding& finding : data_->findings) reporter_.say(finding.sentence);
  require_rows(configuration_, data_->train.rows(), data_->validation.rows());
  if (data_->train.rows() == 0) throw Error("{}: holds no rows to train on", configuration_.data.train.text());

  state_.labels = data_->labels.names();
  require_indices(*data_, configuration_, model_folder_->config);
  load_base_model();
  reporter_.weights(model_->report);
  const std::string kept_head = kept_head_note(model_->report, model_folder_->config.labels, state_.labels);
  if (!kept_head.empty()) reporter_.say(kept_head);
  loss_ = {task_, class_weights(configuration_.train, task_, data_->train, data_->labels.size(), device_),
           static_cast<float>(configuration_.train.label_smoothing)};
  entities_ = entity_labels(task_, data_->labels.names());
  selection_.emplace(choose_metric(configuration_.train.metric, configuration_.model.task, entities_.has_value()),
                     configuration_.train.early_stopping);

  lineage_ = lineage_of(configuration_, model_folder_->path, *data_, communicator_.size());
  lineage_.job = options_.job.text();
  base_model_digest_.emplace(model_folder_->path, communicator_);

  steps_per_epoch_ = steps_per_epoch(data_->train.rows(), configuration_.train.batch_size);
  total_steps_ = phases().back().end_step;
  require_patterns(*model_->model, phases(), configuration_.tuning.rates);
  if (resumed_) {
    require_same_origin(*resumed_, complete_lineage(), model_folder_->path);
    if (length_before_) change_length(state_, *length_before_, configuration_.tuning, steps_per_epoch_, total_steps_);
    restore_parameters(resumed_->checkpoint, *model_->model, device_);
    checkpoint_ = resumed_->path;
    selection_->restore(state_);
  } else {
    for (const auto* names : {&model_->report.initialized, &model_->report.replaced})
      for (const std::string& name : *names) state_.changed.emplace_back(name, 0);
  }
  schedule_ = schedule_of(configuration_.train, state_);
  open_folder();
}

void Trainer::open_folder() {
  hosts_->finish();
  hosts_.reset();
  const Say say = [&](const std::string& text) { reporter_.say(text); };
  if (!resumed_) folder_->set_aside_older_run(say);
  // The model of the shorter run must not pass for that of the longer one, should this be killed at its end.
  if (length_before_ && !state_.finished) folder_->set_aside_model(say);
  folder_->make_checkpoint_folder();
  if (communicator_.rank() == 0) write_file_atomically(folder_->path() / "configuration.toml", to_toml(configuration_));
  reporter_.open_logs(folder_->path(), resumed_ ? std::optional(state_.step) : std::nullopt);
}

void Trainer::load_base_model() {
  const HeadRequest request{task_, head_outputs(task_, data_->labels)};
  model_.emplace(*model_folder_, request, configuration_.model.dropout,
                 LoadOptions{configuration_.model.replace_head, seed(),
                             labels_that_keep_head(data_->labels, model_folder_->config.labels)},
                 device_);
  model_->model->checkpoint_activations(configuration_.train.checkpoint_activations.layers);
}

const Lineage& Trainer::complete_lineage() {
  lineage_.base_model_sha256 = base_model_digest_->get();
  return lineage_;
}

void Trainer::describe_start() {
  RunSummary summary;
  summary.ranks = communicator_.size();
  summary.threads = state_.threads;
  summary.device = device_.name();
  summary.train_rows = data_->train.rows();
  summary.validation_rows = data_->validation.rows();
  summary.test_rows = data_->test.rows();
  summary.labels = static_cast<std::int64_t>(data_->labels.size());
  summary.first_step = state_.step;
  summary.total_steps = total_steps_;
  summary.grains = state_.grains;
  summary.local_ranks = communicator_.topology().local_size;
  summary.job = options_.job;
  reporter_.start(summary);
}

std::vector<PhasePlan> Trainer::phases() const {
  return plan_phases(configuration_.tuning, configuration_.train, steps_per_epoch_, state_.phase_ends);
}

bool Trainer::run_has_ended() const { return ended_early_ || state_.step >= total_steps_; }

void Trainer::train_phase() {
  const std::vector<PhasePlan> plan = phases();
  total_steps_ = plan.back().end_step;
  const PhasePlan phase = plan[state_.phase];

  apply_freezing(*model_->model, phase.freeze);
  TrainingStepSettings settings = step_settings(configuration_, phase, *model_->model, data_->train);
  settings.grains = state_.grains;
  settings.loss = loss_;
  settings.activations = activations_;
  settings.timeline = trace_.timeline();
  settings.buckets.timeline = trace_.timeline();
  settings.buckets.nccl = nccl_.get();
  const bool continues = resumed_ && state_.step > phase.begin_step;
  settings.updates = begin_updates(state_, *model_->model, continues);
  step_ = std::make_unique<TrainingStep>(*model_->model, device_, communicator_, std::move(settings));
  if (continues) restore_moments(resumed_->checkpoint, *model_->model, *step_, device_);
  resumed_.reset();
  // The trained values lie in the arena now.
  model_->files.forget_pages();
  device_.memory().trim();
  reporter_.phase(state_.phase, plan.size(), *model_->model, state_.step, state_.step == phase.begin_step);
  if (!configuration_.tuning.frozen_dropout) reporter_.without_dropout(model_->model->frozen_stages());
  make_caches(phase);

  LoaderOptions loading = loader_options(configuration_, state_.grains, step_->buckets().own_grains());
  loading.timeline = trace_.timeline();

  // A signal may have come between a step and what was due behind it.
  bool over = state_.step > phase.begin_step && phase_is_over(phase, plan.size());
  if (!over && !stop_ && !run_has_ended()) {
    // To fill a cache takes longer; should a signal end it, the checkpoint need not wait for the digest.
    if (caches_->worthwhile(PhaseCaches::Rows::training)) base_model_digest_->begin();
    if (!fill_training_cache()) save();
  }
  Loader loader(data_->train, loading, {state_.epoch, state_.step_in_epoch});
  while (!over && !stop_ && !run_has_ended()) {
    trace_.before_step(state_.step, throughput_.steps());
    const TimelineScope step_scope(trace_.timeline(), Timeline::Track::steps, "step", state_.step + 1);
    const Clock::time_point began = Clock::now();
    const Step batch = next_of(loader);
    const double rate = learning_rate_at(state_.step, phase, schedule_, total_steps_);
    const bool save_due = configuration_.checkpoint.every_minutes > 0.0 &&
                          seconds_since(last_save_) > 60.0 * configuration_.checkpoint.every_minutes;
    const StepOutcome outcome = take_step(batch, rate, {wants_to_stop_(), save_due});
    const double seconds = seconds_since(began);
    throughput_.add_step(seconds, batch.global_rows, outcome.tokens);
    time_limit_.add_step(seconds);
    state_.examples += batch.global_rows;
    state_.seconds += seconds;
    advance(outcome);
    if (seconds_to_first_step_ == 0.0) seconds_to_first_step_ = options_.process_seconds + seconds_since(start_);
    // Not before, since it would come the later.
    base_model_digest_->begin();
    report_step(outcome, rate);
    // The first step loads libraries and chooses algorithms.
    if (throughput_.steps() == 1 && !run_has_ended()) device_.forget_kernel_times();

    // After the last step there is nothing to come back for: the run is finished instead.
    stop_ = outcome.stop_requested && state_.step < total_steps_;
    saved_this_step_ = false;
    if (!stop_) over = phase_is_over(phase, plan.size());
    const bool at_boundary = configuration_.checkpoint.every_steps > 0
                                 ? state_.step % configuration_.checkpoint.every_steps == 0
                                 : state_.step_in_epoch == 0;
    if (stop_ || ((at_boundary || outcome.save_due) && !run_has_ended())) save();
  }
  step_->read_hidden_from(nullptr);
  caches_.reset();
  if (!over) return;
  step_->release_values();
  step_.reset();
}

void Trainer::make_caches(const PhasePlan& phase) {
  CacheSettings settings = cache_settings(configuration_);
  settings.task = task_;
  settings.activations = activations_;
  settings.say = [&](const std::string& text) { reporter_.say(text); };
  settings.stop_requested = wants_to_stop_;
  caches_.emplace(
      *model_->model, device_, communicator_, std::move(settings),
      length_of(phase, steps_per_epoch_, total_steps_, data_->validation.rows() > 0 ? evaluation_steps() : 0));
}

bool Trainer::fill_training_cache() {
  const bool filled = caches_->prepare(PhaseCaches::Rows::training, data_->train);
  throughput_.add_preparation(caches_->training_seconds());
  state_.seconds += caches_->training_seconds();
  step_->read_hidden_from(caches_->of(PhaseCaches::Rows::training));
  stop_ = !filled;
  return filled;
}

Step Trainer::next_of(Loader& loader) {
  const TimelineScope scope(trace_.timeline(), Timeline::Track::sections, "data wait");
  return *loader.next();
}

bool Trainer::phase_is_over(const PhasePlan& phase, std::size_t phases) {
  if (evaluation_due() && state_.last_evaluated_step != state_.step) evaluate_and_judge();
  const bool last = state_.phase + 1 == phases;
  const bool plateau = phase.plateau_patience > 0 && state_.phase_evaluations_without_gain >= phase.plateau_patience;
  if (stop_ || ended_early_ || last || (state_.step < phase.end_step && !plateau)) return false;
  state_.phase_ends.push_back(state_.step);
  state_.phase_evaluations_without_gain = 0;
  ++state_.phase;
  return true;
}

StepOutcome Trainer::take_step(const Step& batch, double learning_rate, const StepWishes& wishes) {
  try {
    return step_->run(batch, state_.step, learning_rate, wishes);
  } catch (const NotFinite& error) {
    if (checkpoint_.empty()) throw;
    throw Error("{}. The last checkpoint is good: {}", error.what(), checkpoint_.string());
  }
}

void Trainer::advance(const StepOutcome& outcome) {
  ++state_.step;
  if (++state_.step_in_epoch == steps_per_epoch_) {
    state_.step_in_epoch = 0;
    ++state_.epoch;
    throughput_.end_epoch();
  }
  state_.tokens += outcome.tokens;
}

void Trainer::report_step(const StepOutcome& outcome, double learning_rate) {
  ProgressLine line;
  line.step = state_.step;
  line.total_steps = total_steps_;
  line.epoch = static_cast<double>(state_.step) / static_cast<double>(steps_per_epoch_);
  line.loss = outcome.loss;
  line.learning_rate = learning_rate;
  line.gradient_norm = outcome.gradient_norm;
  line.examples_per_second = throughput_.step_examples_per_second();
  line.tokens_per_second = throughput_.step_tokens_per_second();
  line.seconds_left = static_cast<double>(total_steps_ - state_.step) * throughput_.seconds_per_step();
  reporter_.step(line);
}

bool Trainer::evaluation_due() const {
  if (data_->validation.rows() == 0) return false;
  if (state_.step == total_steps_) return true;
  return state_.step % evaluation_steps() == 0;
}

std::optional<Metrics> Trainer::evaluate_on(const TokenStore& data) {
  if (step_) step_->settle();
  const TimelineScope scope(trace_.timeline(), Timeline::Track::sections, "evaluation");
  EvaluationSettings settings;
  settings.loss = loss_;
  settings.loss.label_smoothing = 0.0F;
  settings.outputs = head_outputs(task_, data_->labels);
  settings.batch_size = configuration_.evaluate.batch_size;
  settings.activations = activations_;
  settings.entities = entities_ ? &*entities_ : nullptr;
  settings.threshold = configuration_.evaluate.threshold;
  settings.stop_requested = wants_to_stop_;
  if (caches_ && &data == &data_->validation) {
    if (!caches_->prepare(PhaseCaches::Rows::validation, data)) return std::nullopt;
    settings.cache = caches_->of(PhaseCaches::Rows::validation);
  }
  return evaluate(*model_->model, device_, communicator_, data, settings);
}

void Trainer::evaluate_and_judge() {
  const std::optional<Metrics> metrics = evaluate_on(data_->validation);
  if (!metrics) {
    stop_ = true;
    return;
  }
  const bool better = selection_->judge(*metrics, state_);
  reporter_.evaluation(state_.step, static_cast<double>(state_.step) / static_cast<double>(steps_per_epoch_),
                       selection_->last(), better);
  if (selection_->patience_is_exhausted(state_)) {
    reporter_.say(fmt::format("{} has not improved for {} evaluations: training ends", selection_->metric(),
                              state_.evaluations_without_gain));
    ended_early_ = true;
  }
  // The best model so far must survive whatever comes after it.
  if (better && !run_has_ended()) save();
}

void Trainer::save() {
  if (saved_this_step_) return;
  const Clock::time_point began = Clock::now();
  step_->settle();
  const TimelineScope scope(trace_.timeline(), Timeline::Track::sections, "save");
  note_updates(state_, *model_->model, *step_);
  checkpoint_ = checkpoint_path(folder_->checkpoints(), state_.step);
  // A run that goes on from here has no rounding errors to make up for, so neither has this one.
  step_->buckets().exchange().forget_rounding();
  const Lineage& lineage = complete_lineage();
  save_training(checkpoint_, state_, {lineage.configuration, lineage_to_json(lineage)}, *model_->model, *step_, device_,
                communicator_);
  if (communicator_.rank() == 0)
    retain_checkpoints(folder_->checkpoints(), static_cast<int>(configuration_.checkpoint.keep), state_.step,
                       state_.best_step >= 0 ? std::optional(state_.best_step) : std::nullopt);
  saved_this_step_ = true;
  last_save_ = Clock::now();
  time_limit_.add_save(seconds_since(began));
  reporter_.saved(state_.step, checkpoint_);
}

void Trainer::finish() {
  state_.finished = true;
  saved_this_step_ = false;
  save();
  deliver();
  reporter_.finish();
}

bool Trainer::delivery_is_due() {
  // Rank 0 looks, lest the ranks disagree.
  std::vector<std::int64_t> due{0};
  if (communicator_.rank() == 0) {
    const bool delivered = configuration_.output.export_model
                               ? std::filesystem::exists(folder_->model() / "config.json")
                               : data_->test.rows() == 0;
    due.front() = delivered ? 0 : 1;
  }
  communicator_.all_reduce(std::span(due), Reduction::max);
  return due.front() != 0;
}

void Trainer::deliver() {
  if (state_.best_step >= 0 && state_.best_step != state_.step) load_best();
  if (data_->test.rows() > 0) {
    const std::optional<Metrics> metrics = evaluate_on(data_->test);
    if (!metrics) {
      stop_ = true;
      return;
    }
    test_ = *metrics;
  }
  reporter_.test(state_.step, test_);
  if (configuration_.output.export_model) {
    complete_lineage();
    lineage_.steps = state_.best_step >= 0 ? state_.best_step : state_.step;
    for (const auto& [name, value] : selection_->best().values)
      lineage_.metrics.emplace_back("validation " + name, value);
    for (const auto& [name, value] : test_.values) lineage_.metrics.emplace_back("test " + name, value);
    exported_ = folder_->model();
    if (communicator_.rank() == 0)
      export_trained_model(*model_->model, device_, task_, model_folder_->source(), state_.labels,
                           trained_use(configuration_, task_, max_length()), lineage_, exported_);
    communicator_.barrier();
  }
}

void Trainer::load_best() {
  const std::filesystem::path path = checkpoint_path(folder_->checkpoints(), state_.best_step);
  const Checkpoint best = Checkpoint::open(path, communicator_);
  // What a later phase changed is not in an earlier checkpoint, and must be as the base model has it.
  step_.reset();
  load_base_model();
  restore_parameters(best, *model_->model, device_);
}

TrainReport Trainer::report() {
  TrainReport report;
  report.stopped = stop_;
  report.already_finished = already_finished_;
  report.steps = state_.step;
  report.total_steps = total_steps_;
  report.best_step = state_.best_step;
  report.best = selection_->best();
  report.last = selection_->last();
  report.test = test_;
  report.examples_per_second = throughput_.examples_per_second();
  report.last_epoch_examples_per_second = throughput_.last_epoch_examples_per_second();
  report.tokens_per_second = throughput_.tokens_per_second();
  report.cache_seconds = throughput_.preparation_seconds();
  report.seconds = options_.process_seconds + seconds_since(start_);
  report.seconds_to_first_step = seconds_to_first_step_;
  std::array<std::int64_t, 3> most{peak_resident_bytes(), device_.peak_memory_bytes(),
                                   options_.stop_requested() ? 1 : 0};
  communicator_.all_reduce(std::span(most), Reduction::max);
  report.peak_memory_bytes = most[0];
  report.peak_device_memory_bytes = most[1];
  report.stopped_in_time = stop_ && most[2] == 0;
  if (report.stopped_in_time && throughput_.steps() == 0 && state_.last_evaluated_step == measured_before_)
    throw no_progress(state_.step, report.seconds, report.cache_seconds);
  report.kernel_times = device_.kernel_times();
  report.trace = trace_.write(folder_->path(), throughput_.steps());
  report.ranks = communicator_.size();
  report.checkpoint = checkpoint_;
  if (!exported_.empty() || std::filesystem::exists(folder_->model() / "config.json")) report.model = folder_->model();
  return report;
}

}  // namespace

TrainReport train(const Configuration& configuration, Device& device, Communicator& communicator,
                  const TrainOptions& options) {
  return Trainer(configuration, device, communicator, options).run();
}

}  // namespace temper
