#include "data/tables/label_values.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/name_list.h"
#include "data/tables/blanks.h"
#include "data/tables/printed_list.h"
#include "data/tokenizer/unicode_properties.h"
#include "data/tokenizer/utf8.h"

namespace temper {
namespace {

/// Brackets that are no list would else give names such as "['O',".
void refuse_broken_list(std::string_view text) {
  if (!text.starts_with('[')) return;
  const std::size_t second = text.find_first_not_of(kBlanks, 1);
  const bool quoted = second != std::string_view::npos && (text[second] == '"' || text[second] == '\'');
  if (!quoted && !text.ends_with(']')) return;
  throw Error(
      "{} begins with [ but is no list: neither JSON ([\"a\", \"b\"]) nor as Python or NumPy prints one (['a', 'b']); "
      "names need quotes, and lists must be whole",
      quoted_name(text));
}

}  // namespace

bool is_blank(std::string_view text) {
  while (!text.empty()) {
    const CodePoint c = decode_utf8(text.data());
    if (!is_white_space(c.value)) return false;
    text.remove_prefix(c.bytes);
  }
  return true;
}

std::vector<std::string> split_labels(std::string_view text) {
  text = trimmed(text);
  std::vector<std::string> labels;
  if (const std::optional<PrintedList> list = parse_printed_list(text)) {
    for (const std::optional<std::string>& element : list->elements) {
      if (!element) throw Error("{} holds a null among its labels; leave it out", quoted_name(text));
      labels.push_back(*element);
    }
    return labels;
  }
  if (text.find('|') == std::string_view::npos) refuse_broken_list(text);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('|'), text.size());
    if (const std::string_view label = trimmed(text.substr(0, end)); !label.empty()) labels.emplace_back(label);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return labels;
}

std::vector<std::string> split_words(std::string_view text) {
  text = trimmed(text);
  const std::optional<PrintedList> list = parse_printed_list(text);
  // [1 2] and (1, 2) are rather parts of a text.
  const bool is_text = !list || !(list->all_quoted || (list->square_brackets && list->has_commas));
  std::vector<std::string> words;
  if (is_text || (list->elements.size() == 1 && !list->elements.front())) {
    for (const std::string_view word : between_blanks(text)) words.emplace_back(word);
    return words;
  }
  for (const std::optional<std::string>& element : list->elements) {
    if (!element) throw Error("{} holds a null among its words; leave it out", quoted_name(text));
    words.push_back(*element);
  }
  return words;
}

std::vector<std::optional<std::string>> split_word_labels(std::string_view text) {
  text = trimmed(text);
  std::vector<std::optional<std::string>> labels;
  if (std::optional<PrintedList> list = parse_printed_list(text)) {
    labels = std::move(list->elements);
  } else {
    refuse_broken_list(text);
    for (const std::string_view label : between_blanks(text)) labels.emplace_back(label);
  }
  for (std::optional<std::string>& label : labels)
    if (label && is_ignore_index(*label)) label.reset();
  return labels;
}

bool is_ignore_index(std::string_view label) { return parse_number(label) == -100.0; }

std::optional<double> parse_number(std::string_view text) {
  text = trimmed(text);
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  double value = 0.0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::optional<bool> parse_indicator(std::string_view text) {
  if (const std::optional<double> number = parse_number(text)) {
    if (*number == 0.0 || *number == 1.0) return *number == 1.0;
    return std::nullopt;
  }
  std::string lower(trimmed(text));
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (lower == "true") return true;
  if (lower == "false") return false;
  return std::nullopt;
}

}  // namespace temper
