// The data of a run: tables read, labels numbered, rows tokenised (each rank a part of them, or all from the cache) and
// looked at for what would spoil a fine-tune.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "data/dataset.h"
#include "data/diagnostics.h"
#include "data/tables/labels.h"
#include "data/tokenizer/tokenizer.h"
#include "model/head.h"
#include "model/huggingface/lineage.h"
#include "runtime/config/config.h"
#include "runtime/inputs/run_labels.h"

namespace temper {

struct RunData {
  LabelSet labels;
  Dataset train;
  Dataset validation;                  ///< no rows where neither a file nor a fraction is configured
  Dataset test;                        ///< no rows where no file is configured
  std::vector<DataFileLineage> files;  ///< every file that was read (lineage_of_files)
  std::vector<Finding> findings;
};

/// The head of a task over these labels: an output for each of them, or one for a number.
HeadRequest head_request(const TaskSpec& task, const LabelSet& labels);

/// Collective. `model_labels`: what the model's config.json names its classes, in order; it is kept where it names
/// exactly the labels of the training data. `max_length`: tokens a row. `say` receives warnings (rank 0 shows them).
RunData prepare_run_data(const Configuration& configuration, const TaskSpec& task, const Tokenizer& tokenizer,
                         const std::vector<std::string>& model_labels, std::int64_t max_length, int threads,
                         Communicator& communicator, const std::function<void(const std::string&)>& say);

/// What a plan needs to know of the data, without tokenising all of it.
struct DataSample {
  LabelSet labels;
  Dataset train;  ///< every n-th row
  std::int64_t train_rows = 0;
  std::int64_t validation_rows = 0;
  std::int64_t test_rows = 0;
};

/// On this rank alone: at most `most_rows` training rows are tokenised, evenly spread over the file.
DataSample sample_run_data(const Configuration& configuration, const TaskSpec& task, const Tokenizer& tokenizer,
                           const std::vector<std::string>& model_labels, std::int64_t max_length, int threads,
                           std::int64_t most_rows);

/// Collective. How many of the rows that `table` was tokenised to are longer than the limit of `options`, each rank
/// looking at its share.
std::int64_t count_cut_rows_of_all(const Dataset& rows, const Table& table, const ColumnChoice& columns,
                                   const Tokenizer& tokenizer, const TokenizeOptions& options,
                                   Communicator& communicator);

/// Collective. The rows of one table: from the cache where it holds them, else tokenised by all ranks together.
Dataset tokenize_table(const Table& table, const Configuration& configuration, const TaskSpec& task,
                       const Tokenizer& tokenizer, const LabelSet& labels, std::int64_t max_length, int threads,
                       Communicator& communicator, const std::function<void(const std::string&)>& say);

}  // namespace temper
