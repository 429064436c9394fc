#include "data/tables/printed_list.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <system_error>

#include "data/tables/label_values.h"
#include "data/tokenizer/utf8.h"

namespace temper {
namespace {

/// np.str_(np.str_('a')) and the like: more than anyone prints, and little of the stack.
constexpr int kDeepestCall = 8;

/// What cannot be a list ends the reading; it never leaves this file.
struct NoList {};

class ListParser {
 public:
  explicit ListParser(std::string_view text) : rest_(text) {}

  PrintedList whole() {
    PrintedList list;
    skip_blanks();
    const bool wrapped = take("array(");
    skip_blanks();
    list = brackets();
    skip_blanks();
    if (wrapped) {
      // Behind the list: dtype=object and the like.
      if (take(",")) rest_.remove_prefix(std::min(rest_.find(')'), rest_.size()));
      require(take(")"));
      skip_blanks();
    }
    require(rest_.empty());
    return list;
  }

 private:
  static void require(bool holds) {
    if (!holds) throw NoList{};
  }
  void skip_blanks() { rest_.remove_prefix(std::min(rest_.find_first_not_of(kBlanks), rest_.size())); }
  bool take(std::string_view token) {
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }

  PrintedList brackets() {
    constexpr std::array<std::string_view, 3> kPairs = {"[]", "()", "{}"};
    for (const std::string_view pair : kPairs) {
      if (!take(pair.substr(0, 1))) continue;
      PrintedList list;
      list.square_brackets = pair.front() == '[';
      list.all_quoted = true;
      std::size_t commas = 0;
      while (true) {
        skip_blanks();
        if (take(pair.substr(1))) break;
        const std::size_t before = rest_.size();
        bool quoted = false;
        list.elements.push_back(element(quoted, 0));
        list.all_quoted = list.all_quoted && quoted;
        require(rest_.size() < before);
        const std::size_t length = rest_.size();
        skip_blanks();
        if (take(",")) {
          ++commas;
        } else {
          // "a""b" is one field of a CSV file, not two elements.
          require(rest_.starts_with(pair.substr(1)) || rest_.size() < length);
        }
      }
      const std::size_t size = list.elements.size();
      list.all_quoted = list.all_quoted && size > 0;
      list.has_commas = size <= 1 || commas + 1 >= size;
      require(list.has_commas || commas == 0);
      // ('a') is a text in parentheses; the tuple is written ('a',).
      require(pair.front() != '(' || size != 1 || commas == 1);
      return list;
    }
    throw NoList{};
  }

  /// `depth`: calls around it.
  std::optional<std::string> element(bool& quoted, int depth) {
    require(depth <= kDeepestCall);
    for (const std::string_view prefix : {"np.", "numpy."}) {
      if (!take(prefix)) continue;
      const std::size_t open = rest_.find_first_of("( ,]");
      require(open != std::string_view::npos);
      if (rest_[open] != '(') return word();
      rest_.remove_prefix(open + 1);
      std::optional<std::string> value = element(quoted, depth + 1);
      require(take(")"));
      return value;
    }
    const bool prefixed =
        rest_.size() > 1 && (rest_.front() == 'u' || rest_.front() == 'b') && (rest_[1] == '\'' || rest_[1] == '"');
    if (prefixed) rest_.remove_prefix(1);
    require(!rest_.empty());
    if (rest_.front() != '\'' && rest_.front() != '"') return word();
    quoted = true;
    return quoted_text();
  }

  /// A number, a truth value, or the word for nothing.
  std::optional<std::string> word() {
    const std::string_view found = rest_.substr(0, rest_.find_first_of(" \t\r\n\v\f,])}('\""));
    rest_.remove_prefix(found.size());
    if (found == "null" || found == "None" || found == "nan" || found == "NaN") return std::nullopt;
    if (found == "True_" || found == "False_") return std::string(found.substr(0, found.size() - 1));
    require(parse_number(found).has_value() || found == "true" || found == "false" || found == "True" ||
            found == "False");
    return std::string(found);
  }

  std::string quoted_text() {
    const char quote = rest_.front();
    rest_.remove_prefix(1);
    std::string text;
    while (true) {
      const std::size_t stop = rest_.find_first_of(quote == '"' ? "\"\\" : "'\\");
      require(stop != std::string_view::npos);
      text += rest_.substr(0, stop);
      const bool ends = rest_[stop] == quote;
      rest_.remove_prefix(stop + 1);
      if (ends) return text;
      append_escaped(text);
    }
  }

  /// What stands behind a backslash, in JSON or in Python.
  void append_escaped(std::string& text) {
    require(!rest_.empty());
    const char kind = rest_.front();
    rest_.remove_prefix(1);
    constexpr std::string_view kLetters = "ntrbfav0";
    constexpr std::string_view kMeant("\n\t\r\b\f\a\v\0", 8);
    if (const std::size_t i = kLetters.find(kind); i != std::string_view::npos) {
      text += kMeant[i];
    } else if (kind == 'x' || kind == 'u' || kind == 'U') {
      char32_t c = hexadecimal(kind == 'x' ? 2 : kind == 'u' ? 4 : 8);
      if (c >= 0xD800 && c < 0xDC00) {
        require(take("\\u"));
        const char32_t low = hexadecimal(4);
        require(low >= 0xDC00 && low < 0xE000);
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
      }
      require(c < 0xD800 || (c >= 0xE000 && c <= 0x10FFFF));
      std::array<char, 4> bytes{};
      text.append(bytes.data(), encode_utf8(c, bytes.data()));
    } else {
      require(kind == '\'' || kind == '"' || kind == '\\' || kind == '/');
      text += kind;
    }
  }

  char32_t hexadecimal(std::size_t digits) {
    require(rest_.size() >= digits);
    std::uint32_t value = 0;
    const auto [end, status] = std::from_chars(rest_.data(), rest_.data() + digits, value, 16);
    require(status == std::errc() && end == rest_.data() + digits);
    rest_.remove_prefix(digits);
    return value;
  }

  std::string_view rest_;
};

}  // namespace

std::optional<PrintedList> parse_printed_list(std::string_view text) {
  // Most fields are none, and an exception takes its time.
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return std::nullopt;
  const std::string_view begin = text.substr(first);
  if (!begin.starts_with('[') && !begin.starts_with('(') && !begin.starts_with('{') && !begin.starts_with("array("))
    return std::nullopt;
  try {
    return ListParser(begin).whole();
  } catch (const NoList&) {
    return std::nullopt;
  }
}

}  // namespace temper
