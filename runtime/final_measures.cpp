#include "runtime/final_measures.h"

#include <fmt/format.h>

#include <filesystem>

#include "base/counted.h"
#include "base/human_numbers.h"
#include "base/mapped_file.h"
#include "base/name_list.h"
#include "comm/agreement.h"
#include "data/pictures/png_writer.h"
#include "runtime/evaluation/measure_settings.h"
#include "runtime/figures/final_figures.h"
#include "runtime/figures/mistakes_list.h"
#include "runtime/figures/mistakes_sheet.h"
#include "runtime/run_evaluation.h"

namespace temper {
namespace {

/// What was chosen, for a person; and of which judged classes nothing could be.
std::string calibration_note(const Calibration& calibration, const RowOutputs& rows,
                             const std::vector<std::string>& labels, std::int32_t positive) {
  std::string note = fmt::format("chosen on {}: {}", grouped(rows.rows(), "validation row"), words_of(calibration));
  std::vector<std::string> without;
  for (const std::int64_t column : judged_classes(rows, positive))
    if (const std::string& label = labels[static_cast<std::size_t>(column)]; calibration.of(label) == nullptr)
      without.push_back(label);
  if (!without.empty()) note += fmt::format("; none of {}, which all of these rows have, or none", name_list(without));
  return note;
}

/// `images`: the rows' pictures; null of texts.
void write_figures(PreparedRun& run, const FigureRows& rows, const ImageSource* images) {
  agree_on_success(run.communicator(), failure_of([&] {
                     if (run.communicator().rank() != 0) return;
                     const std::filesystem::path folder = run.folder().path() / "figures";
                     std::filesystem::create_directories(folder);
                     for (const auto& [name, svg] : final_figures(rows)) write_file_atomically(folder / name, svg);
                     if (images == nullptr) return;
                     const std::vector<Mistake> mistakes =
                         mistakes_of_own_pictures(all_mistakes(rows.outputs, rows.labels), *images);
                     write_file_atomically(
                         folder / "mistakes.jsonl",
                         mistakes_list(mistakes, rows.outputs, rows.labels, rows.calibration, images->listed().files));
                     if (const std::optional<Picture> sheet =
                             mistakes_sheet(mistakes, *images, mistakes_title(rows.rows, rows.outputs)))
                       write_png(folder / "mistakes.png", *sheet);
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
    run.say()(found.calibration ? calibration_note(*found.calibration, outputs, state.labels, run.measures().positive)
                                : uncalibrated_note(outputs, state.labels));
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
  const std::string note =
      add_row_measures(metrics, outputs, state.labels, run.measures(), found.calibration, run.communicator());
  if (!note.empty()) run.say()(note);
  if (!metrics.intervals.empty())
    found.intervals = outputs.groups().empty() ? grouped(outputs.rows(), "row")
                                               : fmt::format("{} ({})", grouped(outputs.group_count(), "group"),
                                                             run.configuration().data.group);
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
