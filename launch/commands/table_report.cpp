#include "launch/commands/table_report.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "data/diagnostics.h"
#include "data/tables/label_reader.h"
#include "data/tables/printed_list.h"
#include "data/tables/table_reader.h"

namespace temper {
namespace {

using Json = nlohmann::ordered_json;

Json describe_columns(const TableSource& table) {
  struct Lengths {
    std::size_t longest = 0;
    std::size_t total = 0;
    std::size_t empty = 0;
  };
  std::vector<Lengths> lengths(table.head().columns.size());
  table.read(kRowsInChunk, [&](Table& chunk, std::int64_t) {
    for (const auto& row : chunk.rows)
      for (std::size_t column = 0; column < row.size(); ++column) {
        lengths[column].longest = std::max(lengths[column].longest, row[column].size());
        lengths[column].total += row[column].size();
        lengths[column].empty += row[column].empty() ? 1 : 0;
      }
    return true;
  });
  Json columns = Json::array();
  for (std::size_t column = 0; column < lengths.size(); ++column)
    columns.push_back(
        {{"name", table.head().columns[column]},
         {"mean_bytes", table.rows() == 0 ? 0 : lengths[column].total / static_cast<std::size_t>(table.rows())},
         {"longest_bytes", lengths[column].longest},
         {"empty", lengths[column].empty}});
  return columns;
}

/// A file does not say for which task it is; lists and bars tell of several labels.
LabelKind likely_kind(const TableSource& table, const ColumnChoice& columns) {
  if (!columns.indicators.empty()) return LabelKind::multi_label;
  const std::size_t column = column_index(table.head(), columns.label);
  bool several = false;
  table.read(kRowsInChunk, [&](Table& chunk, std::int64_t) {
    several = std::any_of(chunk.rows.begin(), chunk.rows.end(), [&](const std::vector<std::string>& row) {
      return row[column].find('|') != std::string::npos || parse_printed_list(row[column]).has_value();
    });
    return !several;
  });
  return several ? LabelKind::multi_label : LabelKind::single_class;
}

struct LabelCounts {
  std::map<std::string, std::int64_t> of_name;
  std::int64_t unreadable = 0;
  std::string first_error;
};

LabelCounts count_labels(const TableSource& table, const ColumnChoice& columns) {
  LabelReader reader(table.head(), columns, likely_kind(table, columns));
  table.read(kRowsInChunk, [&](Table& chunk, std::int64_t) {
    reader.look_at(chunk);
    return true;
  });
  const std::size_t indicators = reader.indicators();
  LabelCounts counts;
  const auto count = [&](const Table& chunk, std::size_t row) {
    try {
      if (indicators == 0) {
        for (const std::string& name : reader.names(chunk.rows[row])) ++counts.of_name[name];
        return;
      }
      const std::vector<bool> marks = reader.marks(chunk.rows[row]);
      for (std::size_t i = 0; i < marks.size(); ++i)
        counts.of_name[columns.indicators.empty() ? std::to_string(i) : columns.indicators[i]] += marks[i] ? 1 : 0;
    } catch (const Error& error) {
      if (counts.unreadable++ == 0) counts.first_error = fmt::format("{}: {}", place_of(chunk, row), error.what());
    }
  };
  table.read(kRowsInChunk, [&](Table& chunk, std::int64_t) {
    for (std::size_t row = 0; row < chunk.rows.size(); ++row) count(chunk, row);
    return true;
  });
  return counts;
}

std::vector<Finding> diagnosed_texts(const TableSource& table, const ColumnChoice& columns) {
  TextNotes notes(table.head(), columns);
  table.read(kRowsInChunk, [&](Table& chunk, std::int64_t) {
    notes.look_at(chunk);
    return true;
  });
  return diagnose_texts(notes);
}

}  // namespace

Json inspect_table(const std::filesystem::path& path, const ColumnChoice& wished) {
  const std::unique_ptr<TableSource> source = open_table(path);
  const Table& table = source->head();
  const auto rows = static_cast<std::size_t>(source->rows());
  Json json{{"kind", "data"}, {"path", path.string()}, {"rows", rows}};
  json["columns"] = describe_columns(*source);
  ColumnChoice columns = wished;
  if (columns.indicators.empty() && !has_column(table, columns.label)) columns.label.clear();
  std::vector<Finding> findings;
  const auto add = [&](const std::vector<Finding>& more) { findings.insert(findings.end(), more.begin(), more.end()); };
  for (const auto& [name, reason] : table.unusable) {
    const bool used = name == columns.text || name == columns.label;
    if (used) add({{Severity::warning, "unusable_column", reason, 1.0}});
    if (name == columns.text) columns.text.clear();
    if (name == columns.label) columns.label.clear();
  }
  if (has_column(table, columns.text)) add(diagnosed_texts(*source, columns));
  if (columns.labelled()) {
    const LabelCounts counts = count_labels(*source, columns);
    json["distinct_labels"] = counts.of_name.size();
    constexpr std::size_t kShown = 200;
    if (counts.of_name.size() <= kShown)
      for (const auto& [name, count] : counts.of_name) json["label_counts"][name] = count;
    if (counts.unreadable > 0)
      add({{Severity::warning, "unreadable_labels",
            fmt::format("{} row{} no label that can be read, the first: {}", counts.unreadable,
                        counts.unreadable == 1 ? " has" : "s have", counts.first_error),
            static_cast<double>(counts.unreadable)}});
    std::vector<std::string> names;
    std::vector<std::int64_t> numbers;
    for (const auto& [name, count] : counts.of_name) {
      names.push_back(name);
      numbers.push_back(count);
    }
    const LabelSet labels = LabelSet::from_names(names);
    add(diagnose_label_names(labels, LabelKind::single_class));
    // The values of a regression are no classes.
    constexpr std::size_t kMostClasses = 1000;
    if (names.size() <= std::min(kMostClasses, rows / 2))
      add(diagnose_label_counts(numbers, labels, RareLabelAdvice::class_weights));
  }
  add_findings(findings, json);
  return json;
}

void add_findings(std::span<const Finding> findings, Json& report) {
  for (const Finding& finding : findings)
    report["findings"].push_back({{"name", finding.name},
                                  {"severity", finding.severity == Severity::warning ? "warning" : "note"},
                                  {"sentence", finding.sentence},
                                  {"value", finding.value}});
}

}  // namespace temper
