// Scores of tasks that say something of whole rows: counts, and what needs the outputs of all rows.
#pragma once

#include <memory>

#include "runtime/tasks/scores.h"

namespace temper {

/// Of one class per row.
std::unique_ptr<Scores> make_row_class_scores(const ScoreSettings& settings);
/// Of any number of labels per row.
std::unique_ptr<Scores> make_label_set_scores(const ScoreSettings& settings);

}  // namespace temper
