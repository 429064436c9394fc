#include "runtime/inputs/run_data.h"

#include <algorithm>
#include <filesystem>
#include <optional>

#include "base/counted.h"
#include "base/error.h"
#include "base/name_list.h"
#include "data/text/cut_rows.h"
#include "data/text/masking.h"
#include "data/text/token_cache.h"
#include "data/text/token_spool.h"
#include "runtime/inputs/run_tables.h"
#include "runtime/inputs/shared_rows.h"

namespace temper {
namespace {

constexpr std::int64_t kRowsAtATime = 16384;

std::filesystem::path cache_folder(const Configuration& configuration) {
  if (!configuration.data.cache_dir.empty()) return configuration.data.cache_dir;
  return std::filesystem::path(configuration.output.dir) / "cache";
}

/// Throws Error where rows may have no label and none has one: there is nothing to learn.
void require_some_label(const TokenStore& train, const RunTables& tables, const ColumnChoice& columns, Task task) {
  bool none = task == Task::multi_label || task == Task::token_classification;
  const auto look_for_one = [&](const auto& array, auto nothing) {
    train.scan(array, [&](auto piece, std::size_t) {
      return none = std::all_of(piece.begin(), piece.end(), [&](auto value) { return value == nothing; });
    });
  };
  if (task == Task::multi_label) look_for_one(train.targets(), 0.0F);
  if (task == Task::token_classification) look_for_one(train.classes(), kUnlabelled);
  if (none && train.rows() > 0)
    throw Error("{}: no training row has a label in column{} {}; check data.label", tables.train.path.string(),
                columns.indicators.size() > 1 ? "s" : "",
                columns.indicators.empty() ? quoted_name(columns.label) : name_list(columns.indicators));
}

/// Names of labels where the task has none would be passed over.
void refuse_needless_names(const DataSection& data, Task task) {
  if (!data.labels.empty() && (task == Task::regression || task == Task::masked_lm))
    throw usage_error("data.labels names {}, but {} has none; take the key out", counted(data.labels.size(), "label"),
                      name_of(task));
}

/// Lets rows be read as the task wants them.
void transform(TokenStore& rows, const RowReading& reading) {
  if (reading.task != Task::masked_lm) return;
  rows.transform_with(masking(reading.tokenizer, reading.model.vocabulary_size),
                      static_cast<std::uint64_t>(reading.configuration.train.seed));
}

}  // namespace

std::int64_t head_outputs(Task task, const LabelSet& labels) {
  return task == Task::regression ? 1 : static_cast<std::int64_t>(labels.size());
}

std::int64_t count_cut_rows_of_all(const TokenStore& rows, const Table& table, const ColumnChoice& columns,
                                   const Tokenizer& tokenizer, const TokenizeOptions& options,
                                   Communicator& communicator) {
  const std::int64_t begin = rows.rows() * communicator.rank() / communicator.size();
  const std::int64_t end = rows.rows() * (communicator.rank() + 1) / communicator.size();
  std::vector<std::int64_t> mine;
  for (std::int64_t row = begin; row < end; ++row) mine.push_back(rows.length(row));
  std::vector<std::int64_t> cut{count_cut_rows(mine, table, begin, columns, tokenizer, options)};
  communicator.all_reduce(std::span(cut), Reduction::sum);
  return cut.front();
}

TokenStore tokenize_table(const Table& table, const RowReading& reading, Communicator& communicator,
                          const std::function<void(const std::string&)>& say) {
  const auto& [configuration, task, tokenizer, model, labels, max_length, threads] = reading;
  const ColumnChoice columns = columns_of(configuration.data, task);
  const TokenizeOptions options{static_cast<std::size_t>(max_length), threads, label_kind(task)};
  std::optional<CachedRows> cached;
  std::optional<TokenStore> store;
  if (configuration.data.cache) {
    cached = {cache_folder(configuration), token_cache_key(table, columns, tokenizer, labels, options)};
    store = find_shared_rows(*cached, communicator);
  }
  if (!store) {
    const auto rows = static_cast<std::int64_t>(table.rows.size());
    const std::int64_t begin = rows * communicator.rank() / communicator.size();
    const std::int64_t end = rows * (communicator.rank() + 1) / communicator.size();
    TokenSpool mine;
    for (std::int64_t first = begin; first < end; first += kRowsAtATime)
      mine.append(
          tokenize_rows(table, columns, tokenizer, labels, options, first, std::min(first + kRowsAtATime, end)));
    store = share_rows(mine, cached, communicator, say);
  }
  transform(*store, reading);
  return *std::move(store);
}

DataSample sample_run_data(const Configuration& configuration, Task task, const Tokenizer& tokenizer,
                           const ModelConfig& model, std::int64_t max_length, int threads, std::int64_t most_rows) {
  refuse_needless_names(configuration.data, task);
  RunTables tables = read_run_tables(configuration.data, task, model.labels);
  const auto rows_of = [](const Table& table) { return static_cast<std::int64_t>(table.rows.size()); };
  DataSample sample{tables.labels, {}, rows_of(tables.train), rows_of(tables.validation), rows_of(tables.test)};
  Table looked_at = without_rows(tables.train);
  const std::int64_t kept = std::min(sample.train_rows, most_rows);
  for (std::int64_t i = 0; i < kept; ++i)
    move_row(tables.train, static_cast<std::size_t>(i * sample.train_rows / kept), looked_at);
  sample.train = TokenStore(tokenize_rows(looked_at, columns_of(configuration.data, task), tokenizer, sample.labels,
                                          {static_cast<std::size_t>(max_length), threads, label_kind(task)}, 0, kept));
  transform(sample.train, {configuration, task, tokenizer, model, sample.labels, max_length, threads});
  return sample;
}

RunData prepare_run_data(const Configuration& configuration, Task task, const Tokenizer& tokenizer,
                         const ModelConfig& model, std::int64_t max_length, int threads, Communicator& communicator,
                         const std::function<void(const std::string&)>& say) {
  refuse_needless_names(configuration.data, task);
  const RunTables tables = read_run_tables(configuration.data, task, model.labels);
  RunData data{tables.labels, {}, {}, {}, {}, {}};
  const auto tokenize = [&](const Table& table) {
    if (table.rows.empty()) return TokenStore();
    return tokenize_table(table, {configuration, task, tokenizer, model, data.labels, max_length, threads},
                          communicator, say);
  };
  const ColumnChoice columns = columns_of(configuration.data, task);
  data.train = tokenize(tables.train);
  require_some_label(data.train, tables, columns, task);
  data.validation = tokenize(tables.validation);
  data.test = tokenize(tables.test);
  data.files = lineage_of_files(configuration.data, tables);
  if (communicator.rank() == 0) {
    // The findings are for a person; one rank looks.
    const auto add = [&](std::vector<Finding> findings) {
      data.findings.insert(data.findings.end(), findings.begin(), findings.end());
    };
    add(diagnose_texts(tables.train, columns));
    if (!tables.validation.rows.empty()) add(diagnose_overlap(tables.train, tables.validation, "validation", columns));
    if (!tables.test.rows.empty()) add(diagnose_overlap(tables.train, tables.test, "test", columns));
    add(diagnose_label_names(data.labels, label_kind(task)));
    if (task != Task::masked_lm && task != Task::regression) add(diagnose_labels(data.train, data.labels));
    add(diagnose_tokens(data.train, tokenizer, static_cast<std::size_t>(max_length)));
  }
  return data;
}

}  // namespace temper
