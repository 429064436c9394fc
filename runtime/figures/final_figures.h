// The pictures of a final evaluation.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/tasks/row_measures.h"

namespace temper {

/// What they show; everything is borrowed.
struct FigureRows {
  const RowOutputs& outputs;
  const std::vector<std::string>& labels;  ///< [columns]
  std::int32_t positive = -1;              ///< as MeasureSettings has it
  const Metrics& metrics;                  ///< of these rows, with what add_row_measures adds
  const Calibration* calibration = nullptr;
  std::string rows;  ///< which these are: "test rows"
};

/// Receiver operating characteristics: a curve for each judged class (of more than there are colours, of those with the
/// lowest area), its area with the interval, and the threshold that decides.
std::string roc_figure(const FigureRows& rows);

/// What probabilities say against what came true, as they are and with the temperature, above the number of each.
std::string calibration_figure(const FigureRows& rows);

/// Truth against prediction, by the most probable class, and where one class is judged, by its threshold. Nothing of
/// several labels, of one class, and of more classes than can be read.
std::optional<std::string> confusion_figure(const FigureRows& rows);

/// {file name, SVG} of all that there are.
std::vector<std::pair<std::string, std::string>> final_figures(const FigureRows& rows);

}  // namespace temper
