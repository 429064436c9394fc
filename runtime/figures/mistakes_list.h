// The mistakes of an evaluation for programs, beside the sheet that shows the worst of them.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "runtime/figures/mistakes_sheet.h"
#include "runtime/tasks/row_measures.h"

namespace temper {

/// A JSON object per line and mistake, in their order: "image", "label" (the truth), "prediction", "probability" (of
/// the prediction), and where thresholds were chosen, "decisions" as temper predict has them, of labels that of the
/// label that is meant. `files` [rows]: paths; `calibration` may be null.
std::string mistakes_list(const std::vector<Mistake>& mistakes, const RowOutputs& outputs,
                          const std::vector<std::string>& labels, const Calibration* calibration,
                          std::span<const std::string> files);

}  // namespace temper
