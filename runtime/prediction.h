// From logits to what a person or a program reads: one JSON object a row.
#pragma once

#include <span>
#include <string>

#include "runtime/fitted_model.h"

namespace temper {

/// Rows [begin, end) of the table, one line of JSON each, in order:
///   sequence-classification  {"text", "label", "probability", "probabilities": {label: p}}
///   multi-label              {"text", "labels": [those with p > 0.5], "probabilities": {label: p}}
///   regression               {"text", "value"}
///   token-classification     {"text", "tokens": [{"token", "label", "probability"}]}
///   masked-lm                {"text", "masks": [[{"token", "probability"}, ... five]]}
std::string predict_lines(FittedModel& fitted, const Table& table, const TableUse& use, int threads, Device& device,
                          std::int64_t begin, std::int64_t end);

}  // namespace temper
