// Labels: names in the files, ids in the model.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "data/table.h"

namespace temper {

/// What a row's label is: one of several classes, any number of labels, numbers, a class for each word, or nothing.
enum class LabelKind { single_class, multi_label, regression, token_class, none };

/// Ordered label names; the id of a label is its place among them.
class LabelSet {
 public:
  LabelSet() = default;
  /// Throws Error if a name occurs twice.
  static LabelSet from_names(std::vector<std::string> names);

  [[nodiscard]] std::size_t size() const { return names_.size(); }
  /// The name of an id of 0 to size() - 1.
  [[nodiscard]] const std::string& name(std::int32_t id) const { return names_.at(static_cast<std::size_t>(id)); }
  /// The id of a name. Where no name is a number, the text of an id ("0" to size() - 1) stands for that id too, so that
  /// files may number what the model names.
  [[nodiscard]] std::optional<std::int32_t> id_of(std::string_view name) const;
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }

 private:
  std::vector<std::string> names_;
  std::unordered_map<std::string, std::int32_t> ids_;
  bool has_numeric_name_ = false;
};

/// The labels that occur in a column, sorted bytewise, or by value if all of them are numbers; empty for regression and
/// none. Throws Error for a column that is missing and, with its line, for a row of a single class without a label.
LabelSet collect_labels(const Table& train, const std::string& column, LabelKind kind);

/// The labels of a row of several: a JSON array of strings or numbers, or names between '|'. Blanks around names are
/// not part of them; without a name there are no labels.
std::vector<std::string> split_labels(std::string_view text);

/// Words, or labels of words: a JSON array of strings or numbers, or what stands between blanks (ASCII white space).
std::vector<std::string> split_words(std::string_view text);

/// The number that a text consists of; nothing if it is none or is not finite.
std::optional<double> parse_number(std::string_view text);

}  // namespace temper
