#include "runtime/inputs/run_tables.h"

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>

#include "base/digest.h"
#include "base/error.h"
#include "data/images/picture_table.h"
#include "data/tables/table_reader.h"
#include "runtime/inputs/chat_data.h"

namespace temper {
namespace {

std::shared_ptr<const TableSource> open_files(const OneOrMore& names, const DataSection& data, const TaskSpec& task) {
  if (names.empty()) return nullptr;
  if (is_of_images(task.head)) return open_picture_tables(names.values, {data.image, data.label.text()});
  return open_tables(files_named(names.values),
                     reads_conversations(data) ? TextUnit::conversation : text_unit(data.documents));
}

/// Nothing where a column is missing.
template <typename T, typename... Arguments>
std::optional<T> if_possible(const Arguments&... arguments) {
  try {
    return std::optional<T>(std::in_place, arguments...);
  } catch (const Error&) {
    return std::nullopt;
  }
}

/// What is to be noted of a table, before its rows have been looked at.
TableNotes begin_notes(const Table& head, const ColumnChoice& columns, LabelKind kind, bool with_texts) {
  TableNotes notes;
  if (columns.labelled() && kind != LabelKind::none) notes.labels = if_possible<LabelReader>(head, columns, kind);
  notes.key = if_possible<TokenCacheKey>(head, columns);
  if (with_texts) notes.texts = if_possible<TextNotes>(head, columns);
  return notes;
}

void look_at(TableNotes& notes, const Table& chunk, const ColumnChoice& columns) {
  for (std::size_t column = 0; column < chunk.columns.size(); ++column)
    if (chunk.columns[column] == columns.text || chunk.columns[column] == columns.text_pair)
      for (const std::vector<std::string>& row : chunk.rows)
        notes.text_bytes += static_cast<std::int64_t>(row[column].size());
  if (notes.labels) notes.labels->look_at(chunk);
  if (notes.key) notes.key->look_at(chunk);
  if (notes.texts) notes.texts->look_at(chunk);
}

/// The column that decides which rows are kept back: groups are kept back as a whole.
const std::string& split_column(const DataSection& data, const ColumnChoice& columns) {
  return data.group.empty() ? columns.text : data.group;
}

/// Whether a row is kept back for validation: its text's digest falls into the fraction.
bool is_kept_back(const std::vector<std::string>& row, std::size_t text, double fraction) {
  return static_cast<double>(xxh3(std::as_bytes(std::span(row[text]))) >> 11) * 0x1p-53 < fraction;
}

/// Looks through the training files once: for the labels of all rows, and for what is to be known of those that train
/// and of those that are kept back.
void look_at_training_rows(RunTables& tables, const DataSection& data, const TaskSpec& task,
                           const std::vector<std::string>& model_labels, bool with_texts) {
  const TableSource& all = *tables.all_training_rows;
  const ColumnChoice columns = columns_of(data, task);
  const LabelKind kind = task.labels;
  std::optional<LabelCollector> collector;
  if (needs_collected_labels(data, task)) collector.emplace(all.head(), columns, kind);
  const bool splits = data.validation.empty() && data.validation_fraction > 0.0;
  std::optional<std::size_t> text;
  if (splits) {
    const std::vector<std::string>& names = all.head().columns;
    const auto found = std::find(names.begin(), names.end(), split_column(data, columns));
    if (found != names.end() && !all.head().unusable.contains(*found))
      text = static_cast<std::size_t>(found - names.begin());
  }
  TableNotes trains = begin_notes(all.head(), columns, kind, with_texts);
  TableNotes kept_back = begin_notes(all.head(), columns, kind, with_texts);
  std::vector<std::int64_t> train_rows(all.rows_of_files().size());
  std::vector<std::int64_t> kept_rows(train_rows.size());
  all.read(kRowsInChunk, [&](Table& chunk, std::int64_t) {
    if (collector) collector->look_at(chunk);
    if (!text) {
      look_at(trains, chunk, columns);
      return true;
    }
    Table train = all.head();
    Table kept = all.head();
    for (std::size_t row = 0; row < chunk.rows.size(); ++row) {
      const std::size_t file = chunk.file_of.empty() ? 0 : chunk.file_of[row];
      const bool keeps = is_kept_back(chunk.rows[row], *text, data.validation_fraction);
      ++(keeps ? kept_rows : train_rows)[file];
      move_row(chunk, row, keeps ? kept : train);
    }
    look_at(trains, train, columns);
    look_at(kept_back, kept, columns);
    return true;
  });
  tables.labels = choose_labels(data, task, all.head().path, collector ? &*collector : nullptr, model_labels);
  if (!splits) {
    tables.train = {tables.all_training_rows, std::move(trains)};
    return;
  }
  const std::size_t column = column_index(all.head(), split_column(data, columns));
  const auto part = [&](bool kept, std::vector<std::int64_t> rows) {
    const double fraction = data.validation_fraction;
    return std::make_shared<PartOfTable>(
        all, [=](const std::vector<std::string>& row) { return is_kept_back(row, column, fraction) == kept; },
        std::move(rows));
  };
  tables.train = {part(false, std::move(train_rows)), std::move(trains)};
  tables.validation = {part(true, std::move(kept_rows)), std::move(kept_back)};
}

void add_files(std::vector<DataFileLineage>& files, const std::string& role, const OneOrMore& names,
               const RunTable& table) {
  if (names.empty()) return;
  const Table& head = table.source->head();
  const std::vector<std::filesystem::path> paths = head.files.empty() ? std::vector{head.path} : head.files;
  for (std::size_t i = 0; i < paths.size(); ++i)
    files.push_back({role, paths[i].filename().string(),
                     std::filesystem::is_directory(paths[i]) ? digest_of_pictures(paths[i]) : sha256_file(paths[i]),
                     table.source->rows_of_files()[i]});
}

/// Notes in the files of data.train, which come first, by which of its names each was found.
void note_names(std::vector<DataFileLineage>& files, const OneOrMore& names) {
  std::size_t file = 0;
  for (std::size_t name = 0; name < names.values.size(); ++name)
    for (std::size_t left = files_named(std::span(&names.values[name], 1)).size(); left > 0 && file < files.size();
         --left)
      files[file++].mixed_as = static_cast<std::int64_t>(name);
}

TableNotes noted(const TableSource& source, const ColumnChoice& columns, LabelKind kind, bool with_texts) {
  TableNotes notes = begin_notes(source.head(), columns, kind, with_texts);
  source.read(kRowsInChunk, [&](Table& chunk, std::int64_t) {
    look_at(notes, chunk, columns);
    return true;
  });
  return notes;
}

}  // namespace

TextUnit text_unit(const std::string& documents) {
  if (documents == "file") return TextUnit::file;
  if (documents == "paragraph") return TextUnit::paragraph;
  if (documents == "line") return TextUnit::line;
  throw usage_error("a row of a .txt file is '{}'; expected line, paragraph or file", documents);
}

TableNotes notes_of(const TableSource& source, const ColumnChoice& columns, LabelKind kind) {
  return noted(source, columns, kind, /*with_texts=*/false);
}

RunTables read_run_tables(const Configuration& configuration, const TaskSpec& task,
                          const std::vector<std::string>& model_labels, bool with_texts) {
  const DataSection& data = configuration.data;
  RunTables tables;
  tables.all_training_rows = open_files(data.train, data, task);
  if (tables.all_training_rows == nullptr) {
    tables.all_training_rows = std::make_shared<HeldTable>(Table());
  }
  look_at_training_rows(tables, data, task, model_labels, with_texts);
  const auto also = [&](RunTable& table, const OneOrMore& names) {
    if (names.empty()) return;
    table.source = open_files(names, data, task);
    table.notes = noted(*table.source, columns_of(data, task), task.labels, with_texts);
  };
  also(tables.validation, data.validation);
  also(tables.test, data.test);
  for (const EvaluationSetConfig& set : configuration.evaluate.sets) {
    also(tables.sets.emplace_back(), set.data);
    if (tables.sets.back().rows() == 0)
      throw Error("{}: holds no rows, but evaluate.sets names it as \"{}\" to be measured on; take the set out",
                  set.data.text(), set.name);
  }
  return tables;
}

std::vector<DataFileLineage> lineage_of_files(const Configuration& configuration, const RunTables& tables) {
  const DataSection& data = configuration.data;
  std::vector<DataFileLineage> files;
  add_files(files, "train", data.train, tables.train);
  if (!data.train_weights.empty()) note_names(files, data.train);
  add_files(files, "validation", data.validation, tables.validation);
  add_files(files, "test", data.test, tables.test);
  for (std::size_t i = 0; i < tables.sets.size(); ++i) {
    const EvaluationSetConfig& set = configuration.evaluate.sets[i];
    add_files(files, "evaluation/" + set.name, set.data, tables.sets[i]);
  }
  return files;
}

}  // namespace temper
