#include "runtime/inputs/run_data.h"

#include <algorithm>
#include <filesystem>

#include "base/counted.h"
#include "base/error.h"
#include "base/name_list.h"
#include "data/text/cut_rows.h"
#include "data/text/token_cache.h"
#include "runtime/inputs/run_tables.h"

namespace temper {
namespace {

std::filesystem::path cache_folder(const Configuration& configuration) {
  if (!configuration.data.cache_dir.empty()) return configuration.data.cache_dir;
  return std::filesystem::path(configuration.output.dir) / "cache";
}

/// Throws Error where rows may have no label and none has one: there is nothing to learn.
void require_some_label(const Dataset& train, const RunTables& tables, const ColumnChoice& columns, LabelKind kind) {
  const bool none = (kind == LabelKind::multi_label && std::count(train.targets.begin(), train.targets.end(), 0.0F) ==
                                                           static_cast<std::ptrdiff_t>(train.targets.size())) ||
                    (kind == LabelKind::token_class &&
                     std::all_of(train.classes.begin(), train.classes.end(), [](auto c) { return c == kUnlabelled; }));
  if (none && train.rows() > 0)
    throw Error("{}: no training row has a label in column{} {}; check data.label", tables.train.path.string(),
                columns.indicators.size() > 1 ? "s" : "",
                columns.indicators.empty() ? quoted_name(columns.label) : name_list(columns.indicators));
}

/// Names of labels where the task has none would be passed over.
void refuse_needless_names(const DataSection& data, const TaskSpec& task) {
  if (!data.labels.empty() && !has_names(task.labels))
    throw usage_error("data.labels names {}, but {} has none; take the key out", counted(data.labels.size(), "label"),
                      task.name);
}

}  // namespace

HeadRequest head_request(const TaskSpec& task, const LabelSet& labels) {
  const auto names = static_cast<std::int64_t>(labels.size());
  return {task.head, task.labels == LabelKind::regression ? std::max<std::int64_t>(1, names) : names, {task.loss}};
}

std::int64_t count_cut_rows_of_all(const Dataset& rows, const Table& table, const ColumnChoice& columns,
                                   const Tokenizer& tokenizer, const TokenizeOptions& options,
                                   Communicator& communicator) {
  const std::int64_t begin = rows.rows() * communicator.rank() / communicator.size();
  const std::int64_t end = rows.rows() * (communicator.rank() + 1) / communicator.size();
  const std::vector<std::int64_t> lengths = rows.lengths();
  const auto mine = std::span(lengths).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
  std::vector<std::int64_t> cut{count_cut_rows(mine, table, begin, columns, tokenizer, options)};
  communicator.all_reduce(std::span(cut), Reduction::sum);
  return cut.front();
}

Dataset tokenize_table(const Table& table, const Configuration& configuration, const TaskSpec& task,
                       const Tokenizer& tokenizer, const LabelSet& labels, std::int64_t max_length, int threads,
                       Communicator& communicator, const std::function<void(const std::string&)>& say) {
  const ColumnChoice columns = columns_of(configuration.data, task);
  const TokenizeOptions options{static_cast<std::size_t>(max_length), threads, task.labels};
  const auto rows = static_cast<std::int64_t>(table.rows.size());
  const std::filesystem::path folder = cache_folder(configuration);
  const std::string key = token_cache_key(table, columns, tokenizer, labels, options);

  if (configuration.data.cache) {
    std::optional<Dataset> cached = load_cached(folder, key);
    std::vector<std::int64_t> found{cached.has_value() ? 1 : 0};
    communicator.all_reduce(std::span(found), Reduction::min);
    if (found.front() == 1) return std::move(*cached);
  }
  const std::int64_t ranks = communicator.size();
  const std::int64_t begin = rows * communicator.rank() / ranks;
  const std::int64_t end = rows * (communicator.rank() + 1) / ranks;
  Dataset mine = tokenize_rows(table, columns, tokenizer, labels, options, begin, end);
  Dataset whole;
  if (ranks == 1) {
    whole = std::move(mine);
  } else {
    std::vector<Dataset> parts;
    for (const std::vector<std::byte>& bytes : communicator.all_gather_variable(serialize(mine)))
      parts.push_back(deserialize_dataset(bytes));
    whole = concatenate(parts);
  }
  if (configuration.data.cache) {
    const auto store = [&] {
      try {
        store_cached(folder, key, whole);
      } catch (const Error& error) {
        // The cache saves time; a run does without it.
        say(fmt::format("the tokenised rows are not cached: {}", error.what()));
      }
    };
    if (communicator.rank() == 0) store();
    communicator.barrier();
    // A folder of its own on each node gets an entry of its own.
    const NodeTopology& topology = communicator.topology();
    if (topology.node > 0 && topology.local_rank == 0 && !load_cached(folder, key)) store();
  }
  return whole;
}

DataSample sample_run_data(const Configuration& configuration, const TaskSpec& task, const Tokenizer& tokenizer,
                           const std::vector<std::string>& model_labels, std::int64_t max_length, int threads,
                           std::int64_t most_rows) {
  refuse_needless_names(configuration.data, task);
  RunTables tables = read_run_tables(configuration.data, task, model_labels);
  const auto rows_of = [](const Table& table) { return static_cast<std::int64_t>(table.rows.size()); };
  DataSample sample{tables.labels, {}, rows_of(tables.train), rows_of(tables.validation), rows_of(tables.test)};
  Table looked_at = without_rows(tables.train);
  const std::int64_t kept = std::min(sample.train_rows, most_rows);
  for (std::int64_t i = 0; i < kept; ++i)
    move_row(tables.train, static_cast<std::size_t>(i * sample.train_rows / kept), looked_at);
  sample.train = tokenize_rows(looked_at, columns_of(configuration.data, task), tokenizer, sample.labels,
                               {static_cast<std::size_t>(max_length), threads, task.labels}, 0, kept);
  return sample;
}

RunData prepare_run_data(const Configuration& configuration, const TaskSpec& task, const Tokenizer& tokenizer,
                         const std::vector<std::string>& model_labels, std::int64_t max_length, int threads,
                         Communicator& communicator, const std::function<void(const std::string&)>& say) {
  refuse_needless_names(configuration.data, task);
  const RunTables tables = read_run_tables(configuration.data, task, model_labels);
  RunData data{tables.labels, {}, {}, {}, {}, {}};
  const auto tokenize = [&](const Table& table) {
    if (table.rows.empty()) return Dataset();
    return tokenize_table(table, configuration, task, tokenizer, data.labels, max_length, threads, communicator, say);
  };
  const ColumnChoice columns = columns_of(configuration.data, task);
  data.train = tokenize(tables.train);
  require_some_label(data.train, tables, columns, task.labels);
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
    add(diagnose_label_names(data.labels, task.labels));
    if (has_names(task.labels)) add(diagnose_labels(data.train, data.labels));
    add(diagnose_tokens(data.train, tokenizer, static_cast<std::size_t>(max_length)));
  }
  return data;
}

}  // namespace temper
