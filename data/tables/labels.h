// Labels: names in the files, ids in the model.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "data/tables/label_values.h"

namespace temper {

/// Ordered label names; the id of a label is its place among them.
class LabelSet {
 public:
  LabelSet() = default;
  /// Throws Error if a name occurs twice.
  static LabelSet from_names(std::vector<std::string> names);

  [[nodiscard]] std::size_t size() const { return names_.size(); }
  /// The name of an id of 0 to size() - 1.
  [[nodiscard]] const std::string& name(std::int32_t id) const { return names_.at(static_cast<std::size_t>(id)); }
  /// The id of a name. Where no name is a number, the text of an id ("0" to size() - 1, or "0.0") stands for that id
  /// too, so that files may number what the model names.
  [[nodiscard]] std::optional<std::int32_t> id_of(std::string_view name) const;
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }

 private:
  std::vector<std::string> names_;
  std::unordered_map<std::string, std::int32_t> ids_;
  bool has_numeric_name_ = false;
};

}  // namespace temper
