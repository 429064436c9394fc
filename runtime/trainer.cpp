// The loop of a run: phases, and in each its steps with what is due behind them. What goes before it is prepared_run's,
// a phase is phase_run's, when to save save_policy's, and what a finished run hands over delivery's.
//
// Note: every decision that ends or bends the loop is a pure function of the step, or of numbers that all ranks have
// just reduced together. No rank ever acts on its own clock or signal alone, and none waits.
#include "runtime/trainer.h"

#include <filesystem>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "runtime/checkpoints/save_policy.h"
#include "runtime/delivery.h"
#include "runtime/evaluation/model_selection.h"
#include "runtime/finished_run.h"
#include "runtime/phase_run.h"
#include "runtime/prepared_run.h"
#include "runtime/reporting/run_meter.h"
#include "runtime/reporting/run_reporter.h"
#include "runtime/run_checkpoints.h"

namespace temper {
namespace {

class Trainer {
 public:
  Trainer(const Configuration& configuration, Device& device, Communicator& communicator, const TrainOptions& options)
      : meter_(options.process_seconds),
        save_policy_(configuration.checkpoint,
                     TimeLimit(configuration.run.max_minutes, options.process_seconds, options.job.end),
                     options.stop_requested),
        trace_(options.profile, communicator),
        reporter_(configuration.output, communicator.rank() == 0, options.stream, options.terminal, options.columns),
        run_(configuration, device, communicator, options.job, reporter_, state_, wants_to_stop_),
        resumed_(run_.take_checkpoint()),
        checkpoints_(run_, save_policy_, resumed_ ? resumed_->path : std::filesystem::path(), trace_.timeline()),
        selection_(run_.metric(), configuration.train.early_stopping, state_),
        total_steps_(run_.phases(state_).back().end_step) {}

  TrainReport run();

 private:
  void train_phase();
  /// A step, and what is due behind it. True if the phase is over.
  bool take_step();
  /// Evaluates where that is due, which may end the run, and notes the end of the phase.
  bool phase_is_over();
  void evaluate();
  void deliver();
  TrainReport report();

  void save() { checkpoints_.save(state_, phase_->step()); }
  bool has_ended() const { return ended_early_ || state_.step >= total_steps_; }
  double epochs() const { return static_cast<double>(state_.step) / static_cast<double>(run_.steps_per_epoch()); }

  RunMeter meter_;
  SavePolicy save_policy_;
  std::function<bool()> wants_to_stop_ = [this] { return save_policy_.wants_to_stop(); };  ///< this rank
  RunTrace trace_;
  RunReporter reporter_;
  TrainingState state_;
  PreparedRun run_;
  std::optional<FoundCheckpoint> resumed_;  ///< until the first phase has its moments
  RunCheckpoints checkpoints_;
  ModelSelection selection_;
  std::int64_t total_steps_;
  std::optional<PhaseRun> phase_;  ///< of the last phase: also behind its last step
  bool stop_ = false;
  bool ended_early_ = false;
  TrainReport report_;  ///< what is known of it so far
};

TrainReport Trainer::run() {
  stop_ = !run_.is_ready();
  if (stop_) return report();
  if (state_.finished) {
    report_.already_finished = true;
    delivery_is_due(run_) ? deliver() : recall_measures(report_, run_.folder().path());
    return report();
  }
  reporter_.start(run_.summary(state_));
  // A run that was stopped between its last step and its end has a phase to close, though no step to take.
  do train_phase();
  while (!has_ended() && !stop_);
  if (stop_) return report();
  state_.finished = true;
  save();
  deliver();
  reporter_.finish();
  return report();
}

void Trainer::train_phase() {
  phase_.emplace(run_, state_, std::exchange(resumed_, std::nullopt), wants_to_stop_, trace_.timeline());
  total_steps_ = phase_->total_steps();
  // A signal may have come between a step and what was due behind it.
  bool over = phase_->has_begun() && phase_is_over();
  if (!over && !stop_ && !has_ended()) {
    stop_ = !phase_->begin_steps();
    meter_.add_preparation(phase_->cache_seconds());
    state_.seconds += phase_->cache_seconds();
    if (stop_) save();
  }
  while (!over && !stop_ && !has_ended()) over = take_step();
  phase_->end_steps();
  if (!over) return;
  phase_->step().release_values();
  phase_.reset();
}

bool Trainer::take_step() {
  trace_.before_step(state_.step, meter_.steps());
  const TimelineScope step_scope(trace_.timeline(), Timeline::Track::steps, "step", state_.step + 1);
  const Clock::time_point began = Clock::now();
  const StepBatch batch = phase_->next_batch();
  const double rate = phase_->learning_rate();
  const StepOutcome outcome = phase_->take_step(batch, rate, save_policy_.requests(), checkpoints_.last());
  const double seconds = seconds_since(began);
  save_policy_.step_taken(seconds);
  meter_.add_step(seconds, batch.global_rows, outcome.tokens);
  if (advance(state_, batch.global_rows, outcome.tokens, seconds, run_.steps_per_epoch())) meter_.end_epoch();
  run_.begin_base_model_digest();
  reporter_.step(meter_.line(state_, total_steps_, epochs(), outcome, rate));
  // The first step loads libraries and chooses algorithms.
  if (meter_.steps() == 1 && !has_ended()) run_.device().forget_kernel_times();

  // After the last step there is nothing to come back for: the run is finished instead.
  stop_ = outcome.stop_requested && state_.step < total_steps_;
  const bool over = !stop_ && phase_is_over();
  if (stop_ || (save_policy_.is_due(outcome, state_) && !has_ended())) save();
  return over;
}

bool Trainer::phase_is_over() {
  if (phase_->evaluation_is_due() && state_.last_evaluated_step != state_.step) evaluate();
  if (stop_ || ended_early_ || !phase_->is_over()) return false;
  phase_->note_end();
  return true;
}

void Trainer::evaluate() {
  const std::optional<PhaseRun::Evaluated> found = phase_->evaluate();
  if (stop_ = !found; stop_) return;
  meter_.add_evaluation();
  for (const auto& [name, metrics] : found->sets) {
    report_.sets.insert_or_assign(name, metrics);
    reporter_.evaluation(state_.step, epochs(), metrics, false, name);
  }
  state_.last_evaluated_step = state_.step;
  if (!found->validation) return;
  const bool better = selection_.judge(*found->validation, state_);
  reporter_.evaluation(state_.step, epochs(), selection_.last(), better);
  if (selection_.patience_is_exhausted(state_)) {
    reporter_.say(selection_.why_it_ends(state_));
    ended_early_ = true;
  }
  // The best model so far must survive whatever comes after it.
  if (better && !has_ended()) save();
}

void Trainer::deliver() {
  if (best_is_earlier(state_)) {
    phase_.reset();
    load_best(run_, state_);
  }
  const auto delivered = hand_over(run_, state_, selection_.best(), wants_to_stop_, trace_.timeline());
  stop_ = !delivered;
  if (stop_) return;
  delivered->tell(report_);
}

TrainReport Trainer::report() {
  report_.stopped = stop_;
  report_.steps = state_.step;
  report_.total_steps = total_steps_;
  report_.best_step = state_.best_step;
  report_.best = selection_.best();
  report_.last = selection_.last();
  report_.checkpoint = checkpoints_.last();
  meter_.tell(report_, run_.device(), run_.communicator());
  report_.stopped_in_time = stop_ && !save_policy_.is_signalled(run_.communicator());
  if (report_.stopped_in_time && !meter_.has_progressed() && !run_.has_kept_preparations())
    throw no_progress(state_.step, report_.seconds, report_.cache_seconds);
  report_.trace = trace_.write(run_.folder().path(), meter_.steps());
  // A run that was finished before has exported its model then.
  if (run_.has_delivered()) report_.model = run_.folder().model();
  return std::move(report_);
}

}  // namespace

TrainReport train(const Configuration& configuration, Device& device, Communicator& communicator,
                  const TrainOptions& options) {
  if (std::optional<TrainReport> report = finished_without_inputs(configuration, communicator)) return *report;
  return Trainer(configuration, device, communicator, options).run();
}

}  // namespace temper
