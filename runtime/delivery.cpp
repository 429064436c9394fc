#include "runtime/delivery.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/checkpoints/checkpoint_folder.h"
#include "runtime/checkpoints/saved_parameters.h"
#include "runtime/final_measures.h"
#include "runtime/inputs/run_adapter.h"
#include "runtime/inputs/trained_use.h"
#include "runtime/model_export.h"

namespace temper {

void Delivered::tell(TrainReport& report) const {
  report.test = test;
  report.calibration = calibration;
  report.model = model;
}

bool delivery_is_due(PreparedRun& run) {
  // Rank 0 looks, so that the ranks cannot disagree.
  std::vector<std::int64_t> due{0};
  if (run.communicator().rank() == 0) due.front() = run.has_handed_over() ? 0 : 1;
  run.communicator().all_reduce(std::span(due), Reduction::max);
  return due.front() != 0;
}

bool best_is_earlier(const TrainingState& state) { return state.best_step >= 0 && state.best_step != state.step; }

void load_best(PreparedRun& run, const TrainingState& state) {
  const std::filesystem::path path = checkpoint_path(run.folder().checkpoints(), state.best_step);
  const Checkpoint best = Checkpoint::open(path, run.communicator());
  // What a later phase changed is not in an earlier checkpoint, and must be as the base model has it.
  run.load_base_model();
  if (parse_training_state(best.state_json()).adapters_merged) run.merge_adapters();
  restore_parameters(best, run.model(), run.device());
}

std::optional<Delivered> hand_over(PreparedRun& run, const TrainingState& state, const Metrics& best,
                                   const std::function<bool()>& wants_to_stop, Timeline* timeline) {
  Delivered delivered;
  std::string intervals;
  {
    const TimelineScope scope(timeline, Timeline::Track::sections, "evaluation");
    std::optional<FinalMeasures> measures = final_measures(run, state, wants_to_stop);
    if (!measures) return std::nullopt;
    delivered.test = std::move(measures->test);
    delivered.calibration = std::move(measures->calibration);
    intervals = std::move(measures->intervals);
  }
  run.reporter().test(state.step, delivered.test);
  if (const std::string note = idle_note(run.run_model(), run.device()); !note.empty())
    run.say()(note + "; they have learnt nothing, so look at the learning rate and at what is frozen");
  if (!run.configuration().output.export_model) return delivered;

  Lineage lineage = run.complete_lineage();
  lineage.steps = state.best_step >= 0 ? state.best_step : state.step;
  for (const auto& [name, value] : best.values) lineage.metrics.emplace_back("validation " + name, value);
  for (const auto& [name, value] : with_bounds(delivered.test.values, delivered.test.intervals))
    lineage.metrics.emplace_back("test " + name, value);
  tell_reading(lineage, run.task(), delivered.calibration);
  if (!intervals.empty()) lineage.reading.emplace_back("Intervals", "95 %, over " + intervals);
  delivered.model = run.folder().model();
  TrainedUse use = trained_use(run.configuration(), run.task(), run.max_length());
  use.calibration = delivered.calibration;
  use.steps = lineage.steps;
  if (run.communicator().rank() == 0 && run.run_model().lora)
    export_trained_adapter(run.run_model(), run.device(), run.task(), run.model_folder().source(), state.labels, use,
                           lineage, run.configuration().model.path, delivered.model);
  else if (run.communicator().rank() == 0)
    export_trained_model(run.model(), run.device(), run.task(), run.model_folder().source(), state.labels, use, lineage,
                         delivered.model);
  run.communicator().barrier();
  return delivered;
}

}  // namespace temper
