// How commands print results: text for people, one JSON object on the last line for programs.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "runtime/tasks/metrics.h"

namespace temper {

/// An object name -> value; a number that JSON cannot carry (not finite) becomes null. Null where there are no
/// metrics. The confusion matrix [truth][predicted] goes along up to 32 classes, and the scores of each type of entity.
nlohmann::json metrics_json(const Metrics& metrics);
/// One line "title  name value  name value"; nothing where there are no metrics.
void print_metrics(const std::string& title, const Metrics& metrics);
/// Notes on a model's folder, one line each on standard error.
void print_notes(const std::vector<std::string>& notes);
/// One line on standard output. Throws Error if it cannot be written.
void print_json(const nlohmann::json& json);
/// The same of a text.
void print_json_line(const std::string& json);

}  // namespace temper
