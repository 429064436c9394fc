#include "data/tables/row_labels.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "base/counted.h"
#include "base/error.h"
#include "base/name_list.h"
#include "base/nearest_name.h"

namespace temper {
namespace {

/// The id of the label that each indicator is of: by its column's name, or else by its place.
std::vector<std::size_t> ids_of_indicators(const Table& table, const ColumnChoice& columns, const LabelReader& reader,
                                           const LabelSet& labels) {
  if (reader.indicators() != labels.size())
    throw Error("{}: {} {} 0 or 1 for each of {}, but {} {} known: {}", table.path.string(), reader.described(),
                columns.indicators.size() > 1 ? "hold" : "holds", counted(reader.indicators(), "label"),
                counted(labels.size(), "label"), plural(labels.size(), "is", "are"), name_list(labels.names()));
  std::vector<std::size_t> ids;
  for (const std::string& column : columns.indicators) {
    const auto same = std::find(labels.names().begin(), labels.names().end(), column);
    if (same != labels.names().end()) ids.push_back(static_cast<std::size_t>(same - labels.names().begin()));
  }
  if (ids.size() == labels.size()) return ids;
  ids.resize(labels.size());
  std::iota(ids.begin(), ids.end(), std::size_t{0});
  return ids;
}

}  // namespace

RowLabels::RowLabels(const Table& table, const ColumnChoice& columns, const LabelReader& reader, const LabelSet& labels,
                     LabelKind kind)
    : reader_(reader), labels_(labels), kind_(kind) {
  if (reader.indicators() > 0) ids_of_indicators_ = ids_of_indicators(table, columns, reader, labels);
  const auto names = static_cast<std::int32_t>(labels.size());
  if (kind == LabelKind::multi_label) target_width_ = names;
  if (kind == LabelKind::regression) target_width_ = std::max(1, names);
}

std::int32_t RowLabels::class_of(const std::string& label) const {
  if (const auto id = labels_.id_of(label)) return *id;
  const std::string nearest = nearest_name(label, labels_.names());
  throw Error("unknown label {} in {}{}; known labels are {}{}", quoted_name(label), reader_.described(),
              nearest.empty() ? "" : fmt::format(", did you mean \"{}\"?", nearest), name_list(labels_.names()),
              label == "-1" ? "; where -1 stands for no label, take the row out" : "");
}

void RowLabels::append(const std::vector<std::string>& row, std::vector<std::int32_t>& classes,
                       std::vector<float>& targets) const {
  if (kind_ == LabelKind::single_class) classes.push_back(row_class(row));
  if (kind_ == LabelKind::multi_label) append_label_set(row, targets);
  if (kind_ == LabelKind::regression) append_numbers(row, targets);
}

std::int32_t RowLabels::row_class(const std::vector<std::string>& row) const {
  if (ids_of_indicators_.empty()) return class_of(reader_.names(row).front());
  const std::vector<bool> marks = reader_.marks(row);
  const auto one = std::find(marks.begin(), marks.end(), true) - marks.begin();
  return static_cast<std::int32_t>(ids_of_indicators_[static_cast<std::size_t>(one)]);
}

void RowLabels::append_label_set(const std::vector<std::string>& row, std::vector<float>& targets) const {
  const std::size_t first = targets.size();
  targets.resize(first + labels_.size());
  if (ids_of_indicators_.empty()) {
    for (const std::string& label : reader_.names(row))
      targets[first + static_cast<std::size_t>(class_of(label))] = 1.0F;
    return;
  }
  const std::vector<bool> marks = reader_.marks(row);
  for (std::size_t i = 0; i < marks.size(); ++i) targets[first + ids_of_indicators_[i]] = marks[i] ? 1.0F : 0.0F;
}

void RowLabels::append_numbers(const std::vector<std::string>& row, std::vector<float>& targets) const {
  const std::vector<std::string> parts = reader_.numbers(row);
  if (std::cmp_not_equal(parts.size(), target_width_))
    throw Error("{} holds {}, expected {}", reader_.described(), counted(parts.size(), "number"), target_width_);
  for (const std::string& part : parts) {
    const std::optional<double> number = parse_number(part);
    // Targets are f32.
    if (!number || std::abs(*number) > std::numeric_limits<float>::max())
      throw Error("found {} in {}, expected a finite number", quoted_name(part), reader_.described());
    targets.push_back(static_cast<float>(*number));
  }
}

}  // namespace temper
