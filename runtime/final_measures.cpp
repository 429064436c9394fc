#include "runtime/final_measures.h"

#include <fmt/format.h>

#include <cmath>
#include <filesystem>

#include "base/counted.h"
#include "base/human_numbers.h"
#include "base/mapped_file.h"
#include "comm/agreement.h"
#include "data/pictures/png_writer.h"
#include "runtime/evaluation/measure_settings.h"
#include "runtime/figures/final_figures.h"
#include "runtime/figures/mistakes_sheet.h"
#include "runtime/run_evaluation.h"

namespace temper {
namespace {

/// What was chosen, for a person.
std::string calibration_note(const Calibration& calibration, std::int64_t rows) {
  std::string note = fmt::format("chosen on {}: temperature {}", grouped(rows, "validation row"),
                                 significant(calibration.temperature, 3));
  constexpr std::size_t kShown = 4;
  for (std::size_t i = 0; i < calibration.thresholds.size() && i < kShown; ++i) {
    const ClassThresholds& thresholds = calibration.thresholds[i];
    const double threshold = thresholds.by(calibration.rule);
    note += std::isfinite(threshold)
                ? fmt::format(", {} from a probability of {}", thresholds.label, significant(threshold, 3))
                : fmt::format(", {} never", thresholds.label);
  }
  if (calibration.thresholds.size() > kShown)
    note += fmt::format(", and thresholds of {} more", calibration.thresholds.size() - kShown);
  return note + fmt::format(" ({})", kThresholdRules[static_cast<std::size_t>(calibration.rule)]);
}

/// `images`: the rows' pictures; null of texts.
void write_figures(PreparedRun& run, const FigureRows& rows, const ImageSource* images) {
  agree_on_success(run.communicator(), failure_of([&] {
                     if (run.communicator().rank() != 0) return;
                     const std::filesystem::path folder = run.folder().path() / "figures";
                     std::filesystem::create_directories(folder);
                     for (const auto& [name, svg] : final_figures(rows)) write_file_atomically(folder / name, svg);
                     if (images == nullptr) return;
                     const std::vector<Mistake> mistakes = worst_mistakes(rows.outputs, rows.labels, kMistakesShown);
                     if (!mistakes.empty())
                       write_png(folder / "mistakes.png", mistakes_sheet(mistakes, *images, rows.rows));
                   }));
}

}  // namespace

std::optional<FinalMeasures> final_measures(PreparedRun& run, const TrainingState& state,
                                            const std::function<bool()>& wants_to_stop) {
  const EvaluateSection& evaluate = run.configuration().evaluate;
  const RunData& data = run.data();
  const bool judged = is_judged(evaluate, run.task());
  FinalMeasures found;
  RowOutputs outputs;
  Metrics validation;
  if (is_calibrated(evaluate, run.task(), data.validation_examples().rows())) {
    std::optional<Metrics> metrics = measure_model(run, data.validation_examples(), nullptr, wants_to_stop, &outputs);
    if (!metrics) return std::nullopt;
    validation = *std::move(metrics);
    found.calibration = fit_calibration(outputs, state.labels, run.measures(), run.communicator());
    run.say()(calibration_note(*found.calibration, outputs.rows()));
  }
  if (data.test_examples().rows() > 0) {
    std::optional<Metrics> metrics = measure_model(run, data.test_examples(), nullptr, wants_to_stop, &outputs);
    if (!metrics) return std::nullopt;
    found.test = *std::move(metrics);
  }
  if (!judged || outputs.rows() == 0) return found;
  const bool of_test = !found.test.values.empty();
  if (const std::string note = resample_note(outputs, run.measures()); !note.empty()) run.say()(note);
  Metrics& metrics = of_test ? found.test : validation;
  add_row_measures(metrics, outputs, state.labels, run.measures(), found.calibration, run.communicator());
  write_figures(run,
                {.outputs = outputs,
                 .labels = state.labels,
                 .positive = run.measures().positive,
                 .metrics = metrics,
                 .calibration = found.calibration ? &*found.calibration : nullptr,
                 .rows = of_test ? "test rows" : "validation rows, by which the model was chosen"},
                of_test ? data.images.test.get() : data.images.validation.get());
  return found;
}

}  // namespace temper
