#include "data/tables/labels.h"

#include <utility>

#include "base/error.h"

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

}  // namespace temper
