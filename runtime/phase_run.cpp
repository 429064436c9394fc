#include "runtime/phase_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/counted.h"
#include "model/freezing.h"
#include "runtime/checkpoints/saved_parameters.h"
#include "runtime/evaluation/model_selection.h"
#include "runtime/inputs/image_data.h"
#include "runtime/inputs/picture_agreement.h"
#include "runtime/run_evaluation.h"
#include "runtime/steps/parameter_updates.h"
#include "runtime/steps/step_settings.h"

namespace temper {

PhaseRun::PhaseRun(PreparedRun& run, TrainingState& state, std::optional<FoundCheckpoint> checkpoint,
                   std::function<bool()> wants_to_stop, Timeline* timeline)
    : run_(run),
      state_(state),
      wants_to_stop_(std::move(wants_to_stop)),
      timeline_(timeline),
      phases_(run.phases(state)),
      index_(state.phase) {
  if (phase().merge_adapters && run_.run_model().lora) merge_adapters();
  apply_freezing(run_.model(), phase().freeze, phase().freeze_key);
  make_step(std::move(checkpoint));
  // The trained values lie in the arena now.
  run_.weight_files().forget_pages();
  run_.device().memory().trim();
  run_.reporter().phase(index_, phases_.size(), run_.model(), state_.step, !has_begun());
  if (!run_.configuration().tuning.frozen_dropout) run_.reporter().without_dropout(run_.model().frozen_stages());
  make_caches();
}

void PhaseRun::merge_adapters() {
  // The merged weights differ from the base model, and the adapters are no more.
  std::vector<std::string> merged;
  for (const FileModule& module : run_.run_model().lora->modules)
    for (const ModuleLayer& layer : module.layers) merged.push_back(layer.weight);
  run_.merge_adapters();
  std::erase_if(state_.changed,
                [&](const auto& entry) { return run_.model().parameters().find(entry.first) == nullptr; });
  for (const std::string& weight : merged) state_.changed.emplace_back(weight, 0);
  state_.adapters_merged = true;
  run_.say()("the adapters are merged: from here on the model itself is trained");
}

void PhaseRun::make_step(std::optional<FoundCheckpoint> checkpoint) {
  TrainingStepSettings settings = step_settings(run_.configuration(), phase(), run_.model(), run_.data().train_rows());
  settings.grains = state_.grains;
  settings.measures.assign(run_.task().step_measures.begin(), run_.task().step_measures.end());
  settings.activations = run_.activations();
  settings.timeline = timeline_;
  settings.buckets.timeline = timeline_;
  settings.buckets.links.nccl = run_.nccl();
  const bool continues = checkpoint && has_begun();
  settings.updates = begin_updates(state_, run_.model(), continues);
  if (settings.live_batch_norm) note_statistics(state_, run_.model());
  step_ = std::make_unique<TrainingStep>(run_.model(), run_.device(), run_.communicator(), std::move(settings));
  if (continues) restore_moments(checkpoint->checkpoint, run_.model(), *step_, run_.device());
}

void PhaseRun::make_caches() {
  CacheSettings settings = cache_settings(run_.configuration());
  settings.activations = run_.activations();
  settings.say = run_.say();
  settings.stop_requested = wants_to_stop_;
  PhaseLength length = length_of(phase(), run_.steps_per_epoch(), total_steps(), steps_between_evaluations());
  length.epoch_share = epoch_share_of(run_.data().training());
  length.rows_change = run_.data().train_rows().is_transformed();
  caches_.emplace(run_.model(), run_.device(), run_.communicator(), std::move(settings), length);
}

std::int64_t PhaseRun::steps_between_evaluations() const {
  if (run_.data().validation_rows().rows() == 0) return 0;
  return evaluation_steps(run_.configuration().evaluate, run_.steps_per_epoch());
}

bool PhaseRun::is_due(std::int64_t steps_between) const {
  return steps_between > 0 && (state_.step == total_steps() || state_.step % steps_between == 0);
}

bool PhaseRun::is_due(const EvaluationSet& set) const {
  return is_due(set.every_steps > 0 ? set.every_steps
                                    : evaluation_steps(run_.configuration().evaluate, run_.steps_per_epoch()));
}

bool PhaseRun::begin_steps() {
  // To fill a cache takes longer; should a signal end it, the checkpoint need not wait for the digest.
  if (caches_->worthwhile(PhaseCaches::Rows::training)) run_.begin_base_model_digest();
  const bool filled = caches_->prepare(PhaseCaches::Rows::training, run_.data().train_rows());
  step_->read_hidden_from(caches_->of(PhaseCaches::Rows::training));
  if (!filled) return false;
  LoaderOptions options = loader_options(run_.configuration(), state_.grains, step_->buckets().own_grains());
  options.timeline = timeline_;
  options.outline = caches_->of(PhaseCaches::Rows::training) != nullptr;
  loader_.emplace(run_.data().training(), options, LoaderPosition{state_.epoch, state_.step_in_epoch});
  return true;
}

StepBatch PhaseRun::next_batch() {
  const TimelineScope scope(timeline_, Timeline::Track::sections, "data wait");
  return *loader_->next();
}

double PhaseRun::learning_rate() const {
  return learning_rate_at(state_.step, phase(), run_.schedule(), total_steps());
}

StepOutcome PhaseRun::take_step(const StepBatch& batch, double learning_rate, const StepRequests& requests,
                                const std::filesystem::path& last_checkpoint) {
  try {
    return step_->run(batch, state_.step, learning_rate, requests);
  } catch (const NotFinite& error) {
    if (last_checkpoint.empty()) throw;
    throw Error("{}. The last checkpoint is good: {}", error.what(), last_checkpoint.string());
  }
}

bool PhaseRun::evaluation_is_due() const {
  const std::vector<EvaluationSet>& sets = run_.data().sets;
  return is_due(steps_between_evaluations()) ||
         std::any_of(sets.begin(), sets.end(), [this](const EvaluationSet& set) { return is_due(set); });
}

std::optional<PhaseRun::Evaluated> PhaseRun::evaluate() {
  step_->settle();
  const TimelineScope scope(timeline_, Timeline::Track::sections, "evaluation");
  Evaluated found;
  for (const EvaluationSet& set : run_.data().sets) {
    if (!is_due(set)) continue;
    std::optional<Metrics> metrics = measure_model(run_, set.examples(), nullptr, wants_to_stop_);
    if (!metrics) return std::nullopt;
    found.sets.emplace_back(set.name, *std::move(metrics));
  }
  if (!is_due(steps_between_evaluations())) return found;
  if (run_.data().validation_windows) {
    found.validation = measure_model(run_, *run_.data().validation_windows, nullptr, wants_to_stop_);
    return found.validation ? std::optional(std::move(found)) : std::nullopt;
  }
  if (!caches_->prepare(PhaseCaches::Rows::validation, run_.data().validation_rows())) return std::nullopt;
  found.validation = measure_model(run_, run_.data().validation_examples(), caches_->of(PhaseCaches::Rows::validation),
                                   wants_to_stop_);
  if (!found.validation) return std::nullopt;
  return found;
}

bool PhaseRun::is_over() const {
  if (index_ + 1 == phases_.size()) return false;
  const std::int64_t patience = phase().plateau_patience;
  return state_.step >= phase().end_step || (patience > 0 && state_.phase_evaluations_without_gain >= patience);
}

void PhaseRun::note_end() {
  state_.phase_ends.push_back(state_.step);
  state_.phase_evaluations_without_gain = 0;
  ++state_.phase;
}

void PhaseRun::tell_unreadable() {
  std::vector<std::string> mine;
  for (const std::shared_ptr<const ImageSource>& images :
       {run_.data().images.train, run_.data().images.validation, run_.data().images.test})
    if (images != nullptr)
      for (const std::string& sentence : images->unreadable()) mine.push_back(sentence);
  const std::vector<std::string> all = sentences_of_all(mine, run_.communicator());
  constexpr std::size_t kShown = 5;
  for (std::size_t i = 0; i < std::min(all.size(), kShown); ++i) run_.say()(all[i]);
  if (!all.empty())
    run_.say()(fmt::format("{} could not be read, and others took their place (images.unreadable)",
                           counted(all.size(), "picture")));
}

void PhaseRun::end_steps() {
  if (run_.configuration().images.unreadable == "skip") tell_unreadable();
  loader_.reset();
  step_->read_hidden_from(nullptr);
  caches_.reset();
}

}  // namespace temper
