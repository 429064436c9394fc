// How commands print results: text for people, one JSON object on the last line for programs.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "runtime/tasks/metrics.h"
#include "runtime/tasks/row_measures.h"

namespace temper {

/// An object name -> value; a number that JSON cannot carry (not finite) becomes null. Null where there are no
/// metrics. The confusion matrix [truth][predicted] goes along up to 32 classes, and the scores of each type of entity.
nlohmann::json metrics_json(const Metrics& metrics);
/// What was chosen on validation rows, as temper.json has it; null where nothing was.
nlohmann::json calibration_json(const std::optional<Calibration>& calibration);
/// One line "title  name value  name value", a value that has an interval with that behind it; of several judged
/// classes one line for each. Nothing where there are no metrics.
void print_metrics(const std::string& title, const Metrics& metrics);
/// "positive" with the class that figures of one class are of, where there is such a one, and "thresholds" with those
/// that figures stand at, and the temperature; `calibration` may be null.
void print_thresholds(const std::string& positive, const Calibration* calibration);
/// Notes on a model's folder, one line each on standard error.
void print_notes(const std::vector<std::string>& notes);
/// One line on standard output. Throws Error if it cannot be written.
void print_json(const nlohmann::json& json);
/// The same of a text.
void print_json_line(const std::string& json);

}  // namespace temper
