// The data of a run: tables read, labels numbered, rows tokenised (each rank a part of them, or all from the cache) and
// looked at for what would spoil a fine-tune.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "data/chat/chat_encoder.h"
#include "data/diagnostics.h"
#include "data/images/image_source.h"
#include "data/packed_rows.h"
#include "data/paired_rows.h"
#include "data/tables/labels.h"
#include "data/text/running_text.h"
#include "data/token_store.h"
#include "data/tokenizer/tokenizer.h"
#include "model/architectures/model_config.h"
#include "model/head.h"
#include "model/huggingface/lineage.h"
#include "runtime/config/config.h"
#include "runtime/inputs/chat_data.h"
#include "runtime/inputs/run_labels.h"
#include "runtime/inputs/run_tables.h"
#include "runtime/inputs/training_mixture.h"

namespace temper {

/// What an epoch goes through: pairs where rows are pairs of answers; of files that are mixed, their mixture; packs
/// where rows are packed; else the rows.
inline const ExampleSource& trained(const TokenStore& rows, const std::optional<PackedRows>& packed,
                                    const std::shared_ptr<Mixture>& mixture, const std::optional<PairedRows>& pairs) {
  if (pairs) return *pairs;
  if (mixture != nullptr) return *mixture;
  return packed ? static_cast<const ExampleSource&>(*packed) : rows;
}

/// What an evaluation goes through: pairs, or windows, where there are some, else the rows.
inline const ExampleSource& measured(const TokenStore& rows, const std::optional<TextWindows>& windows,
                                     const std::optional<PairedRows>& pairs) {
  if (pairs) return *pairs;
  return windows ? static_cast<const ExampleSource&>(*windows) : rows;
}

/// Of evaluate.sets.
struct EvaluationSet {
  std::string name;
  TokenStore rows;
  std::optional<TextWindows> windows;  ///< of running text that is measured with a stride
  std::int64_t every_steps = 0;        ///< as in the configuration
  std::optional<PairedRows> pairs = {};
  std::shared_ptr<const ImageSource> images = nullptr;  ///< of images, in place of rows

  [[nodiscard]] const ExampleSource& examples() const {
    return images != nullptr ? static_cast<const ExampleSource&>(*images) : measured(rows, windows, pairs);
  }
};

/// What a run on images reads, in place of rows of tokens.
struct RunImages {
  std::shared_ptr<const ImageSource> train;
  std::shared_ptr<const ImageSource> validation;
  std::shared_ptr<const ImageSource> test;
  std::int64_t train_unreadable = 0;  ///< pictures of `train` that are skipped
};

struct RunData {
  LabelSet labels;
  TokenStore train;                  ///< sequences
  std::optional<PackedRows> packed;  ///< where they are packed, and not mixed: what an epoch takes
  std::vector<TrainingPart> parts;   ///< of files that are mixed by weight
  std::shared_ptr<Mixture> mixture;  ///< where they are: what an epoch takes
  std::optional<TextWindows> validation_windows;
  std::optional<TextWindows> test_windows;
  TokenStore validation;  ///< no rows where neither a file nor a fraction is configured
  TokenStore test;        ///< no rows where no file is configured
  std::vector<EvaluationSet> sets;
  std::vector<DataFileLineage> files;  ///< every file that the run reads (lineage_of_files)
  std::vector<Finding> findings;

  std::optional<PairedRows> train_pairs;  ///< where rows are pairs of answers
  std::optional<PairedRows> validation_pairs;
  std::optional<PairedRows> test_pairs;

  RunImages images;  ///< null, each, where rows are texts or there are none

  /// What an epoch goes through.
  [[nodiscard]] const ExampleSource& training() const {
    return images.train != nullptr ? *images.train : trained(train, packed, mixture, train_pairs);
  }
  /// Rows as they are numbered, in which frozen layers' output and labels are kept.
  [[nodiscard]] const ExampleSource& train_rows() const { return rows_of(train, images.train); }
  [[nodiscard]] const ExampleSource& validation_rows() const { return rows_of(validation, images.validation); }
  [[nodiscard]] const ExampleSource& test_rows() const { return rows_of(test, images.test); }
  [[nodiscard]] const ExampleSource& validation_examples() const {
    return images.validation != nullptr ? *images.validation
                                        : measured(validation, validation_windows, validation_pairs);
  }
  [[nodiscard]] const ExampleSource& test_examples() const {
    return images.test != nullptr ? *images.test : measured(test, test_windows, test_pairs);
  }

 private:
  static const ExampleSource& rows_of(const TokenStore& rows, const std::shared_ptr<const ImageSource>& pictures) {
    return pictures != nullptr ? static_cast<const ExampleSource&>(*pictures) : rows;
  }
};

/// Throws a usage Error for a key that is set and has no effect for the task.
void refuse_needless_keys(const Configuration& configuration, const TaskSpec& task);

/// The head of a task over these labels: an output for each of them, or one for a number.
HeadRequest head_request(const TaskSpec& task, const LabelSet& labels);

/// Collective. `model`: what its config.json names its classes, in order, is kept where it names exactly the labels of
/// the training data. `max_length`: tokens per row. `say` receives warnings (rank 0 shows them). Rows come as the task
/// wants them: where it masks tokens, masked.
RunData prepare_run_data(const Configuration& configuration, const TaskSpec& task, const Tokenizer& tokenizer,
                         const ModelConfig& model, std::int64_t max_length, int threads, Communicator& communicator,
                         const std::function<void(const std::string&)>& say);

/// What a plan needs to know of the data, without tokenising all of it.
struct DataSample {
  LabelSet labels;
  TokenStore train;                  ///< every n-th row
  std::optional<PackedRows> packed;  ///< where they are packed, and not mixed
  std::shared_ptr<Mixture> mixture;  ///< of files that are mixed by weight
  std::int64_t train_rows = 0;       ///< of an epoch: packs, or rows; of packs an estimate unless all were looked at
  std::int64_t train_sequences = 0;  ///< of all files, each once; an estimate likewise
  std::int64_t validation_rows = 0;
  std::int64_t test_rows = 0;
  std::vector<std::int64_t> set_rows = {};  ///< of each of evaluate.sets
  std::optional<PairedRows> pairs = {};     ///< where rows are pairs of answers; what is measured counts answers
  std::shared_ptr<const ImageSource> images = nullptr;  ///< of images: all rows, whose pictures nobody reads
  std::int64_t picture_bytes = 0;                       ///< that a rank keeps of decoded pictures

  [[nodiscard]] const ExampleSource& training() const {
    return images != nullptr ? *images : trained(train, packed, mixture, pairs);
  }
  /// Those that were looked at, as they are numbered.
  [[nodiscard]] const ExampleSource& rows() const {
    return images != nullptr ? static_cast<const ExampleSource&>(*images) : train;
  }
  /// Bytes that a run holds of all rows beside those that were looked at.
  [[nodiscard]] std::int64_t bytes_of_others() const;
};

/// On this rank alone: at most `most_rows` training rows are tokenised, evenly spread over the file.
DataSample sample_run_data(const Configuration& configuration, const TaskSpec& task, const Tokenizer& tokenizer,
                           const ModelConfig& model, std::int64_t max_length, int threads, std::int64_t most_rows);

/// How the rows of a table become examples.
struct RowReading {
  const Configuration& configuration;
  const TaskSpec& task;
  const Tokenizer& tokenizer;
  const ModelConfig& model;
  const LabelSet& labels;
  std::int64_t max_length;  ///< tokens per row
  int threads;
};

/// How the texts of a run are tokenised: of running text, what becomes of long documents and which token ends one.
/// Throws a usage Error for an end token that the vocabulary lacks.
TokenizeOptions tokenize_options(const RowReading& reading);

/// The packs of a run's training rows; nothing where it takes the rows themselves.
std::optional<PackedRows> packed_rows(const TokenStore& rows, const RowReading& reading);

/// The pairs that rows make; nothing where they make none.
std::optional<PairedRows> paired_rows(const TokenStore& rows, const RowReading& reading);

/// The windows of evaluate.stride over the documents of `rows`; nothing where it is 0, or there are no rows. Throws a
/// usage Error for a stride beyond the window.
std::optional<TextWindows> text_windows(const TokenStore& rows, const TableNotes& notes, const RowReading& reading);

/// Throws Error, beginning with `source`, where there are rows and none of them has anything that a measure counts.
void require_countable(const ExampleSource& rows, const std::string& source);

/// Collective. How many of the rows that `table` was tokenised to are longer than the limit of `options`, each rank
/// looking at its share.
std::int64_t count_cut_rows_of_all(const TokenStore& rows, const TableSource& table, const ColumnChoice& columns,
                                   const Tokenizer& tokenizer, const TokenizeOptions& options,
                                   Communicator& communicator);

/// Collective. The rows of one table, which has some: from the cache where it holds them, else tokenised by all ranks
/// together. `notes`: of this table.
/// `tally`: where it is given, what was counted of all rows. `parts`: of files that are mixed by weight, what came of
/// each name of data.train.
TokenStore tokenize_table(const TableSource& table, const TableNotes& notes, const RowReading& reading,
                          Communicator& communicator, const std::function<void(const std::string&)>& say,
                          ChatTally* tally = nullptr, std::vector<TrainingPart>* parts = nullptr);

}  // namespace temper
