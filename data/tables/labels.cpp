#include "data/tables/labels.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/error.h"
#include "data/tables/label_reader.h"

namespace temper {

LabelSet LabelSet::from_names(std::vector<std::string> names) {
  LabelSet set;
  set.names_ = std::move(names);
  for (std::size_t i = 0; i < set.names_.size(); ++i) {
    if (!set.ids_.emplace(set.names_[i], static_cast<std::int32_t>(i)).second)
      throw Error("the label \"{}\" is listed twice; each label needs a name of its own", set.names_[i]);
    if (parse_number(set.names_[i])) set.has_numeric_name_ = true;
  }
  return set;
}

std::optional<std::int32_t> LabelSet::id_of(std::string_view name) const {
  const auto found = ids_.find(std::string(name));
  if (found != ids_.end()) return found->second;
  if (has_numeric_name_) return std::nullopt;
  const std::optional<double> number = parse_number(name);
  if (!number || *number < 0.0 || *number >= static_cast<double>(size())) return std::nullopt;
  const auto id = static_cast<std::int32_t>(*number);
  return static_cast<double>(id) == *number ? std::optional(id) : std::nullopt;
}

LabelSet collect_labels(const Table& train, const ColumnChoice& columns, LabelKind kind) {
  if (!has_names(kind)) return {};
  const LabelReader reader(train, columns, kind);
  if (!columns.indicators.empty()) return LabelSet::from_names(columns.indicators);
  if (reader.indicators() > 0)
    throw Error(
        "{}: {} holds arrays of 0 and 1, one place for each of {} labels, and nothing says which; name them in order "
        "with data.labels = [\"...\", ...], or write the names of each row's labels (a|b, or [\"a\", \"b\"])",
        train.path.string(), reader.described(), reader.indicators());
  std::set<std::string> found;
  for (std::size_t row = 0; row < train.rows.size(); ++row) {
    try {
      for (std::string& name : reader.names(train.rows[row])) found.insert(std::move(name));
    } catch (const Error& error) {
      throw Error("{}: {}", place_of(train, row), error.what());
    }
  }
  if (found.empty())
    throw Error("{}: no row has a label in {}; check data.label", train.path.string(), reader.described());
  std::vector<std::string> names(found.begin(), found.end());
  if (std::all_of(names.begin(), names.end(), [](const std::string& name) { return parse_number(name).has_value(); }))
    std::stable_sort(names.begin(), names.end(),
                     [](const std::string& a, const std::string& b) { return *parse_number(a) < *parse_number(b); });
  return LabelSet::from_names(std::move(names));
}

}  // namespace temper
