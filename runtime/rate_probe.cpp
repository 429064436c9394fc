#include "runtime/rate_probe.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <utility>

#include "base/clock.h"
#include "base/counted.h"
#include "comm/agreement.h"
#include "data/row_sample.h"
#include "runtime/checkpoints/save_policy.h"
#include "runtime/phase_run.h"
#include "runtime/prepared_run.h"
#include "runtime/reporting/run_meter.h"
#include "runtime/reporting/run_reporter.h"
#include "runtime/run_evaluation.h"
#include "runtime/steps/finite_weights.h"

namespace temper {
namespace {

/// Rows of validation data that are measured for each rate, where its steps take fewer.
constexpr std::int64_t kFewestValidationRows = 256;

/// Collective. The rates of rank 0.
std::vector<double> agreed(const std::vector<double>& rates, Communicator& communicator) {
  std::vector<std::byte> bytes(rates.size() * sizeof(double));
  std::memcpy(bytes.data(), rates.data(), bytes.size());
  communicator.broadcast_variable(bytes, 0);
  std::vector<double> of_all(bytes.size() / sizeof(double));
  std::memcpy(of_all.data(), bytes.data(), bytes.size());
  return of_all;
}

/// The values that a model's parameters have before a phase takes them into its arena. A copy of a tensor shares its
/// memory, so keeping them costs no more than the arena leaves unread.
class StartingValues {
 public:
  explicit StartingValues(const Model& model) {
    for (const Parameter& parameter : model.parameters().all()) values_.push_back(parameter.variable.value());
  }
  /// Gives the trained parameters these values again, instead of those in the arena, and statistics what they were.
  void restore(const Model& model) const {
    for (std::size_t i = 0; i < values_.size(); ++i) {
      const Parameter& parameter = model.parameters().all()[i];
      if (!parameter.trainable() && parameter.role != ParameterRole::statistic) continue;
      parameter.variable.set_value(values_[i]);
      if (!parameter.trainable()) continue;
      parameter.variable.bind_gradient(Tensor(), -1);
    }
  }

 private:
  std::vector<Tensor> values_;
};

class RateProbe {
 public:
  RateProbe(const Configuration& configuration, const ProbeRequest& request, Device& device, Communicator& communicator,
            const TrainOptions& options)
      : asked_(configuration),
        steps_(steps_to_probe(request, configuration)),
        rates_(agreed(rates_to_probe(request, configuration), communicator)),
        configuration_(probe_configuration(configuration, steps_)),
        meter_(options.process_seconds),
        save_policy_(configuration.checkpoint,
                     TimeLimit(configuration.run.max_minutes, options.process_seconds, options.job.end),
                     options.stop_requested),
        reporter_(configuration.output, communicator.rank() == 0, options.stream, options.terminal, options.columns),
        run_(configuration_, device, communicator, options.job, reporter_, start_, wants_to_stop_, RunPurpose::probe) {
    // A phase that began with it would begin with other weights the first time.
    if (run_.phases(start_).front().merge_adapters && run_.run_model().lora) run_.merge_adapters();
    values_.emplace(run_.model());
  }

  ProbeReport probe();

 private:
  /// The steps of a rate from the start, but the first `left_out`, and what they led to. False if a signal came, or
  /// time is up.
  bool try_rate(ProbedRate& probed, std::int64_t left_out);
  bool take_steps(PhaseRun& phase, TrainingState& state, ProbedRate& probed);
  /// False as above.
  bool measure(PhaseRun& phase, ProbedLoss& loss);
  bool measure_start();
  [[nodiscard]] std::int64_t validation_rows() const;
  void tell(const ProbedRate& probed);
  ProbeReport stopped();

  const Configuration& asked_;
  std::int64_t steps_;
  std::vector<double> rates_;
  Configuration configuration_;  ///< of the run in which they are tried
  RunMeter meter_;
  SavePolicy save_policy_;
  std::function<bool()> wants_to_stop_ = [this] { return save_policy_.wants_to_stop(); };  ///< this rank
  RunReporter reporter_;
  TrainingState start_;
  PreparedRun run_;
  std::optional<StartingValues> values_;
  TrainingState shown_;  ///< as if all steps were of one run, for the progress
  bool has_begun_ = false;
  ProbeReport report_;
};

ProbeReport RateProbe::probe() {
  if (!run_.is_ready()) return stopped();
  ProbedCurve& curve = report_.curve;
  curve.steps = steps_;
  curve.last_steps = last_steps_of(steps_);
  RunSummary summary = run_.summary(start_);
  summary.total_steps = curve.last_steps + static_cast<std::int64_t>(rates_.size()) * steps_;
  reporter_.start(summary);
  if (!measure_start()) return stopped();
  for (const double rate : rates_) {
    ProbedRate probed{.rate = rate, .losses = {}};
    if (!try_rate(probed, 0)) return stopped();
    tell(probed);
    curve.rates.push_back(std::move(probed));
  }
  reporter_.finish();
  report_.advice = advise(curve);
  report_.files = probe_files(run_.folder().path());
  agree_on_success(run_.communicator(), failure_of([&] {
                     if (run_.communicator().rank() == 0)
                       write_probe(run_.folder().path(), curve, report_.advice, asked_);
                   }));
  return std::move(report_);
}

ProbeReport RateProbe::stopped() {
  reporter_.finish();
  // Another start would begin anew, and end where this one does.
  if (!save_policy_.is_signalled(run_.communicator()))
    throw Error(
        "the time of the probe (run.max_minutes, or the job's end) is up with {} of {} tried; try fewer rates "
        "(--probe-rates, --probe-count) or fewer steps (--probe-steps), or give it more time",
        report_.curve.rates.size(), counted(rates_.size(), "rate"));
  report_.stopped = true;
  return std::move(report_);
}

bool RateProbe::measure_start() {
  // Steps at a rate of 0 change nothing: what the model loses on the rows of the last steps, with their dropout.
  ProbedRate untrained{.rate = 0.0, .losses = {}};
  if (!try_rate(untrained, steps_ - last_steps_of(steps_))) return false;
  if (std::isfinite(judged_loss(untrained.end)) && !untrained.not_finite_step) {
    report_.curve.start = untrained.end;
    return true;
  }
  std::string cause = not_finite_weights(run_.model(), run_.device(), "the base model");
  if (cause.empty()) cause = "its weights are finite, so the data hold values, or targets, that it cannot take";
  throw Error("the loss of the untrained model is not finite, and no learning rate mends that: {}", cause);
}

bool RateProbe::try_rate(ProbedRate& probed, std::int64_t left_out) {
  TrainingState state = start_;
  while (state.step < left_out) advance(state, 0, 0, 0.0, run_.steps_per_epoch());
  // What there is to say of the phase is the same each time.
  reporter_.set_quiet(has_begun_);
  PhaseRun phase(run_, state, std::nullopt, wants_to_stop_, nullptr);
  bool goes_on = phase.begin_steps();
  reporter_.set_quiet(false);
  has_begun_ = true;
  meter_.add_preparation(phase.cache_seconds());
  goes_on = goes_on && take_steps(phase, state, probed);
  phase.end_steps();
  goes_on = goes_on && (probed.not_finite_step || measure(phase, probed.end));
  values_->restore(run_.model());
  // Ranks that share the arena read it until here.
  run_.communicator().barrier();
  return goes_on;
}

bool RateProbe::take_steps(PhaseRun& phase, TrainingState& state, ProbedRate& probed) {
  const std::int64_t total = shown_.step + steps_ - state.step;
  const auto all = last_steps_of(steps_) + static_cast<std::int64_t>(rates_.size()) * steps_;
  while (state.step < steps_) {
    const Clock::time_point began = Clock::now();
    const StepBatch batch = phase.next_batch();
    StepOutcome outcome;
    try {
      outcome = phase.take_step(batch, probed.rate, save_policy_.requests(), {});
    } catch (const NotFinite&) {
      // Before its first update a rate has done nothing: the data are at fault.
      if (probed.losses.empty() && probed.rate > 0.0) throw;
      probed.not_finite_step = state.step + 1;
      break;
    }
    const double seconds = seconds_since(began);
    save_policy_.step_taken(seconds);
    meter_.add_step(seconds, batch.global_rows, outcome.tokens);
    if (advance(state, batch.global_rows, outcome.tokens, seconds, run_.steps_per_epoch())) meter_.end_epoch();
    probed.losses.push_back(outcome.loss);
    ++shown_.step;
    const double epochs = static_cast<double>(state.step) / static_cast<double>(run_.steps_per_epoch());
    reporter_.step(meter_.line(shown_, all, epochs, outcome, probed.rate));
    if (outcome.stop_requested) return false;
  }
  shown_.step = total;
  const auto last = static_cast<std::ptrdiff_t>(last_steps_of(steps_));
  probed.end.training = probed.not_finite_step ? std::nan("")
                                               : std::accumulate(probed.losses.end() - last, probed.losses.end(), 0.0) /
                                                     static_cast<double>(last);
  return true;
}

std::int64_t RateProbe::validation_rows() const {
  const RunData& data = run_.data();
  const double packed =
      data.packed ? static_cast<double>(data.train.rows()) / static_cast<double>(data.packed->rows()) : 1.0;
  const auto trained = static_cast<double>(steps_ * run_.configuration().train.batch_size) * packed;
  return std::max(kFewestValidationRows, static_cast<std::int64_t>(trained));
}

bool RateProbe::measure(PhaseRun& phase, ProbedLoss& loss) {
  const RunData& data = run_.data();
  if (data.validation_rows().rows() == 0) return true;
  phase.step().settle();
  const ExampleSource& all = data.validation_examples();
  // A sample has no masks.
  const RowSample sample(all, validation_rows());
  const ExampleSource& rows = data.validation.is_transformed() ? all : sample;
  const std::optional<Metrics> metrics = measure_model(run_, rows, nullptr, wants_to_stop_);
  if (!metrics) return false;
  loss.validation = metrics->value("loss");
  return true;
}

void RateProbe::tell(const ProbedRate& probed) {
  if (probed.not_finite_step) {
    reporter_.say(
        fmt::format("learning rate {}: diverged, not finite in step {}", probed.rate, *probed.not_finite_step));
    return;
  }
  std::string validation;
  if (probed.end.validation)
    validation =
        fmt::format(", validation loss {:.4f} (from {:.4f})", *probed.end.validation, *report_.curve.start.validation);
  reporter_.say(fmt::format("learning rate {}: training loss {:.4f} (from {:.4f}){}", probed.rate, probed.end.training,
                            report_.curve.start.training, validation));
}

}  // namespace

ProbeReport probe_rates(const Configuration& configuration, const ProbeRequest& request, Device& device,
                        Communicator& communicator, const TrainOptions& options) {
  return RateProbe(configuration, request, device, communicator, options).probe();
}

}  // namespace temper
