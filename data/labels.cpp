#include "data/labels.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <system_error>
#include <utility>

#include "base/error.h"

namespace temper {
namespace {

constexpr std::string_view kBlanks = " \t\r\n\v\f";

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

/// The elements of a JSON array of strings, numbers and truth values; nothing if the text is anything else.
std::optional<std::vector<std::string>> json_array_elements(std::string_view text) {
  if (!text.starts_with('[') || !text.ends_with(']')) return std::nullopt;
  const nlohmann::json array = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!array.is_array()) return std::nullopt;
  std::vector<std::string> elements;
  for (const nlohmann::json& element : array) {
    if (element.is_structured() || element.is_null()) return std::nullopt;
    elements.push_back(element.is_string() ? element.get<std::string>() : element.dump());
  }
  return elements;
}

/// The labels that a row names, empty ones included.
std::vector<std::string> labels_of(const std::string& text, LabelKind kind) {
  if (kind == LabelKind::multi_label) return split_labels(text);
  if (kind == LabelKind::token_class) return split_words(text);
  return {text};
}

}  // namespace

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
  std::int32_t id = 0;
  const auto [end, status] = std::from_chars(name.data(), name.data() + name.size(), id);
  const bool is_id = status == std::errc() && end == name.data() + name.size() && id >= 0 && std::cmp_less(id, size());
  return is_id ? std::optional(id) : std::nullopt;
}

LabelSet collect_labels(const Table& train, const std::string& column, LabelKind kind) {
  if (kind == LabelKind::regression || kind == LabelKind::none) return {};
  const std::size_t index = column_index(train, column);
  std::set<std::string> found;
  for (std::size_t row = 0; row < train.rows.size(); ++row) {
    for (std::string& label : labels_of(train.rows[row][index], kind)) {
      if (label.empty())
        throw Error("{}, line {}: the label in column \"{}\" is empty; give the row a label or take it out",
                    train.path.string(), train.lines[row], column);
      found.insert(std::move(label));
    }
  }
  std::vector<std::string> names(found.begin(), found.end());
  if (std::all_of(names.begin(), names.end(), [](const std::string& name) { return parse_number(name).has_value(); }))
    std::stable_sort(names.begin(), names.end(),
                     [](const std::string& a, const std::string& b) { return *parse_number(a) < *parse_number(b); });
  return LabelSet::from_names(std::move(names));
}

std::vector<std::string> split_labels(std::string_view text) {
  text = trimmed(text);
  if (auto elements = json_array_elements(text)) return *std::move(elements);
  std::vector<std::string> labels;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('|'), text.size());
    if (const std::string_view label = trimmed(text.substr(0, end)); !label.empty()) labels.emplace_back(label);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return labels;
}

std::vector<std::string> split_words(std::string_view text) {
  text = trimmed(text);
  if (auto elements = json_array_elements(text)) return *std::move(elements);
  std::vector<std::string> words;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of(kBlanks), text.size());
    words.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(text.find_first_not_of(kBlanks, end), text.size()));
  }
  return words;
}

std::optional<double> parse_number(std::string_view text) {
  text = trimmed(text);
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  double value = 0.0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

}  // namespace temper
