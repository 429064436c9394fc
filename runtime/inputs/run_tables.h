// The rows of a run before they are tokenised: files found and looked through, validation rows kept back, labels
// chosen.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "data/diagnostics.h"
#include "data/tables/label_reader.h"
#include "data/tables/table_reader.h"
#include "data/tables/table_source.h"
#include "data/text/token_cache.h"
#include "model/huggingface/lineage.h"
#include "runtime/inputs/run_labels.h"

namespace temper {

/// What is known of a table once all its rows have been looked at. A part is absent where a column that it needs is:
/// who asks for the column tells of that.
struct TableNotes {
  std::int64_t text_bytes = 0;        ///< of the text column (and the second one), UTF-8
  std::optional<LabelReader> labels;  ///< also where the rows have none that are read
  std::optional<TokenCacheKey> key;
  std::optional<TextNotes> texts;  ///< only where they were asked for
};

/// A table of a run.
struct RunTable {
  std::shared_ptr<const TableSource> source;  ///< null where nothing is configured
  TableNotes notes;

  [[nodiscard]] std::int64_t rows() const { return source == nullptr ? 0 : source->rows(); }
};

struct RunTables {
  RunTable train;
  RunTable validation;         ///< no rows where neither files nor a fraction are configured
  RunTable test;               ///< no rows where no file is configured
  std::vector<RunTable> sets;  ///< those of evaluate.sets, in order, each with rows
  LabelSet labels;             ///< of all training rows, also those that are kept back

  std::shared_ptr<const TableSource> all_training_rows;  ///< which `train` and `validation` may be parts of
};

/// data.documents of a configuration.
TextUnit text_unit(const std::string& documents);

/// What is known of a table that is read for these columns.
TableNotes notes_of(const TableSource& source, const ColumnChoice& columns, LabelKind kind);

/// Reads the files of a run, on this rank alone. `model_labels`: as choose_labels takes them. `with_texts`: texts are
/// noted too, for diagnoses. Throws Error as the readers and choose_labels do, and
/// for a set of evaluate.sets without rows.
RunTables read_run_tables(const Configuration& configuration, const TaskSpec& task,
                          const std::vector<std::string>& model_labels, bool with_texts);

/// Every file that the run reads, once for each role in which it was read, with its digest and the rows that came of
/// it. (Of a training file, without those that are kept back.) Reads the files once more.
std::vector<DataFileLineage> lineage_of_files(const Configuration& configuration, const RunTables& tables);

}  // namespace temper
