// Which labels a run has, and how they sit on a head that the model brings along.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/tables/label_reader.h"
#include "runtime/config/config.h"
#include "runtime/tasks/task.h"

namespace temper {

/// The columns that a run reads.
ColumnChoice columns_of(const DataSection& data, const TaskSpec& task);

/// The labels of the run: those of data.labels; or those of the model, in their order, if the training file has the
/// same names, or names that only look different (then in the file's spelling), or the numbers from 0 to one below
/// their count; or those of the training file. `train`: its name, for messages. `collected`: has looked at all rows,
/// also those that are kept back for validation; may be null unless needs_collected_labels(). Throws Error for a
/// classification of fewer than two classes, and as LabelCollector::labels does.
LabelSet choose_labels(const DataSection& data, const TaskSpec& task, const std::filesystem::path& train,
                       const LabelCollector* collected, const std::vector<std::string>& model_labels);

/// Whether the labels of a run come from its rows: it has some, and data.labels does not name them.
bool needs_collected_labels(const DataSection& data, const TaskSpec& task);

/// What to set so that a stored head of another size is kept: "data.labels = [...]" with the model's names; nothing if
/// the model has no names, or lacks some of the run's.
std::string labels_that_keep_head(const LabelSet& labels, const std::vector<std::string>& model_labels);

}  // namespace temper
