// The rows of a run before they are tokenised: files found, read and put together, validation rows kept back.
#pragma once

#include "data/tables/table.h"
#include "model/huggingface/lineage.h"
#include "runtime/inputs/run_labels.h"

namespace temper {

struct RunTables {
  Table train;
  Table validation;  ///< no rows where neither files nor a fraction are configured
  Table test;        ///< no rows where no file is configured
  LabelSet labels;   ///< of all training rows, also those that are kept back
};

/// Reads the files of a run, on this rank alone. `model_labels`: as choose_labels takes them. Throws Error as the
/// readers and choose_labels do.
RunTables read_run_tables(const DataSection& data, const TaskSpec& task, const std::vector<std::string>& model_labels);

/// Every file that was read, once for each role in which it was, with its digest and the rows that came of it. (Of a
/// training file, without those that are kept back.) Reads the files once more.
std::vector<DataFileLineage> lineage_of_files(const DataSection& data, const RunTables& tables);

}  // namespace temper
