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

Json describe_columns(const Table& table) {
  Json columns = Json::array();
  for (std::size_t column = 0; column < table.columns.size(); ++column) {
    std::size_t longest = 0;
    std::size_t total = 0;
    std::size_t empty = 0;
    for (const auto& row : table.rows) {
      longest = std::max(longest, row[column].size());
      total += row[column].size();
      empty += row[column].empty() ? 1 : 0;
    }
    columns.push_back({{"name", table.columns[column]},
                       {"mean_bytes", table.rows.empty() ? 0 : total / table.rows.size()},
                       {"longest_bytes", longest},
                       {"empty", empty}});
  }
  return columns;
}

/// A file does not say for which task it is; lists and bars tell of several labels.
LabelKind likely_kind(const Table& table, const ColumnChoice& columns) {
  if (!columns.indicators.empty()) return LabelKind::multi_label;
  const std::size_t column = column_index(table, columns.label);
  const bool several = std::any_of(table.rows.begin(), table.rows.end(), [&](const std::vector<std::string>& row) {
    return row[column].find('|') != std::string::npos || parse_printed_list(row[column]).has_value();
  });
  return several ? LabelKind::multi_label : LabelKind::single_class;
}

struct LabelCounts {
  std::map<std::string, std::int64_t> of_name;
  std::int64_t unreadable = 0;
  std::string first_error;
};

LabelCounts count_labels(const Table& table, const ColumnChoice& columns) {
  const LabelReader reader(table, columns, likely_kind(table, columns));
  LabelCounts counts;
  for (std::size_t row = 0; row < table.rows.size(); ++row) {
    try {
      if (reader.indicators() == 0) {
        for (const std::string& name : reader.names(table.rows[row])) ++counts.of_name[name];
        continue;
      }
      const std::vector<bool> marks = reader.marks(table.rows[row]);
      for (std::size_t i = 0; i < marks.size(); ++i)
        counts.of_name[columns.indicators.empty() ? std::to_string(i) : columns.indicators[i]] += marks[i] ? 1 : 0;
    } catch (const Error& error) {
      if (counts.unreadable++ == 0) counts.first_error = fmt::format("{}: {}", place_of(table, row), error.what());
    }
  }
  return counts;
}

}  // namespace

Json inspect_table(const std::filesystem::path& path, const ColumnChoice& wished) {
  const Table table = read_table(path);
  Json json{{"kind", "data"}, {"path", path.string()}, {"rows", table.rows.size()}};
  json["columns"] = describe_columns(table);
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
  if (has_column(table, columns.text)) add(diagnose_texts(table, columns));
  if (columns.labelled()) {
    const LabelCounts counts = count_labels(table, columns);
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
    if (names.size() <= std::min(kMostClasses, table.rows.size() / 2)) add(diagnose_label_counts(numbers, labels));
  }
  for (const Finding& finding : findings)
    json["findings"].push_back({{"name", finding.name},
                                {"severity", finding.severity == Severity::warning ? "warning" : "note"},
                                {"sentence", finding.sentence},
                                {"value", finding.value}});
  return json;
}

}  // namespace temper
