#include "runtime/inputs/run_tables.h"

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>

#include "base/digest.h"
#include "data/tables/table_reader.h"

namespace temper {
namespace {

Table read_files(const OneOrMore& names) {
  if (names.empty()) return {};
  return read_tables(files_named(names.values));
}

/// Takes the rows whose text's digest falls into the fraction out of `train` and gives them back as a table.
Table split_by_digest(Table& train, const std::string& text_column, double fraction) {
  const std::size_t column = column_index(train, text_column);
  Table kept = without_rows(train);
  Table split = kept;
  for (std::size_t i = 0; i < train.rows.size(); ++i) {
    const std::string_view text = train.rows[i][column];
    const double place = static_cast<double>(xxh3(std::as_bytes(std::span(text))) >> 11) * 0x1p-53;
    move_row(train, i, place < fraction ? split : kept);
  }
  train = std::move(kept);
  return split;
}

void add_files(std::vector<DataFileLineage>& files, const char* role, const OneOrMore& names, const Table& table) {
  if (names.empty()) return;
  const std::vector<std::filesystem::path> paths = table.files.empty() ? std::vector{table.path} : table.files;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    auto rows = static_cast<std::int64_t>(table.rows.size());
    if (!table.files.empty()) rows = std::count(table.file_of.begin(), table.file_of.end(), i);
    files.push_back({role, paths[i].filename().string(), sha256_file(paths[i]), rows});
  }
}

}  // namespace

RunTables read_run_tables(const DataSection& data, const TaskSpec& task, const std::vector<std::string>& model_labels) {
  RunTables tables;
  tables.train = read_files(data.train);
  tables.labels = choose_labels(data, task, tables.train, model_labels);
  if (!data.validation.empty()) {
    tables.validation = read_files(data.validation);
  } else if (data.validation_fraction > 0.0) {
    tables.validation = split_by_digest(tables.train, data.text, data.validation_fraction);
  }
  tables.test = read_files(data.test);
  return tables;
}

std::vector<DataFileLineage> lineage_of_files(const DataSection& data, const RunTables& tables) {
  std::vector<DataFileLineage> files;
  add_files(files, "train", data.train, tables.train);
  add_files(files, "validation", data.validation, tables.validation);
  add_files(files, "test", data.test, tables.test);
  return files;
}

}  // namespace temper
