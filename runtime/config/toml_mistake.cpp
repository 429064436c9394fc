#include "runtime/config/toml_mistake.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "data/tables/blanks.h"

namespace temper {
namespace {

/// The line of the text, without its end.
std::string_view line_of(std::string_view text, std::uint32_t line) {
  for (; line > 1; --line) text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
  text = text.substr(0, text.find('\n'));
  if (text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

/// The byte of a line at which its character `column` begins.
std::size_t byte_of(std::string_view line, std::uint32_t column) {
  std::size_t byte = 0;
  for (; byte < line.size(); ++byte)
    if ((static_cast<unsigned char>(line[byte]) & 0xC0) != 0x80 && --column == 0) break;
  return byte;
}

/// Of a long text only the beginning.
std::string cut(std::string_view text) {
  constexpr std::size_t kMost = 60;
  if (text.size() <= kMost) return std::string(text);
  std::size_t end = kMost;
  while ((static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "...";
}

/// The first character, with all of its bytes.
std::string_view escaped_character(std::string_view text) { return text.substr(0, byte_of(text, 2)); }

/// Where the last of some characters stands that is in no quotes; npos: nowhere.
std::size_t last_unquoted(std::string_view text, std::string_view characters) {
  std::size_t last = std::string_view::npos;
  char quote = '\0';
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (quote != '\0') {
      if (text[i] == '\\' && quote == '"')
        ++i;
      else if (text[i] == quote)
        quote = '\0';
    } else if (text[i] == '"' || text[i] == '\'') {
      quote = text[i];
    } else if (characters.find(text[i]) != std::string_view::npos) {
      last = i;
    }
  }
  return last;
}

/// The one behind a key.
std::size_t first_unquoted_equals(std::string_view text) {
  for (std::size_t i = text.find('='); i != std::string_view::npos; i = text.find('=', i + 1))
    if (last_unquoted(text.substr(0, i + 1), "=") == i) return i;
  return std::string_view::npos;
}

/// What a user wrote as a value, and what stands before it.
struct Word {
  std::string_view text;
  char before = '\0';  ///< '=', ',' or a bracket; 0: the beginning of the line
};

/// The parser stops in a value, at its begin or behind it: from the last = , [ or { before that place up to a comma, a
/// bracket or a comment.
Word word_around(std::string_view line, std::size_t at) {
  const std::size_t mark = last_unquoted(line.substr(0, at), ",[{=");
  Word word;
  if (mark != std::string_view::npos) word.before = line[mark];
  const std::string_view text = line.substr(mark == std::string_view::npos ? 0 : mark + 1);
  word.text = trimmed(text.substr(0, text.find_first_of(",]}#")));
  return word;
}

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// Of a value that is none.
std::string no_value(const Word& word) {
  const std::string_view value = word.text;
  if (value.empty()) return word.before == '=' ? "a value is missing behind the =" : "a value is missing";
  if (is_one_of(value, {"True", "TRUE", "Yes", "yes", "YES", "on", "On", "T", "Y"}))
    return fmt::format("{} is no value; write true", value);
  if (is_one_of(value, {"False", "FALSE", "No", "no", "NO", "off", "Off", "F", "N"}))
    return fmt::format("{} is no value; write false", value);
  if (is_one_of(value, {"None", "none", "null", "Null", "nil", "nul"}))
    return fmt::format("{} is no value; leave the key out to have its default", value);
  for (const std::string_view quote : {"\u201C", "\u201D", "\u2018", "\u2019", "\u00AB", "`"})
    if (value.starts_with(quote)) return fmt::format("{} has no straight quotes; write a text as \"...\"", value);
  if (word.before == '=' && value.starts_with('=')) return "a single = stands between a key and its value";
  return fmt::format(
      "{0} is no value; a text needs quotes (\"{0}\"), and other values are numbers, true, false, arrays in [ ] and "
      "tables in {{ }}",
      cut(value));
}

/// Behind a value, where its line should end.
std::string rest_of_line(std::string_view value, std::string_view rest) {
  const bool number = !value.empty() && value.find_first_not_of("0123456789_+-.") == std::string_view::npos;
  if (number && rest.starts_with(','))
    return fmt::format("the value {} is followed by {}; a decimal point is a point, and several values stand in [ ]",
                       value, cut(rest));
  if (rest.find('=') != std::string_view::npos && rest.find_first_of(" \t=") != 0 && rest.front() != ';')
    return fmt::format("the value {} is followed by {}; each key stands on a line of its own", cut(value), cut(rest));
  if (value.starts_with('\''))
    return fmt::format("the value {} is followed by {}; a text with an apostrophe stands in \"...\"", cut(value),
                       cut(rest));
  return fmt::format("the value {} is followed by {}; expected the end of the line, or a comment behind a #",
                     cut(value), cut(rest));
}

std::string no_number(const Word& word) {
  const std::string_view value = word.text;
  if (value.starts_with('.') || value.ends_with('.'))
    return fmt::format("{} is no number; a digit must stand on both sides of the point", value);
  if (is_one_of(value, {"nan", "inf", "+inf", "-inf"})) return fmt::format("{} is no finite number", value);
  // Words that begin as inf and nan do.
  if (value.find_first_of("0123456789+-.") != 0) return no_value(word);
  return fmt::format("{} is no number; expected digits such as 3, 0.5 or 2e-5 (a text needs quotes)", value);
}

/// The key that has a value twice. The parser names it, but for one that has quotes or several parts.
std::string twice(std::string_view line, std::string_view description) {
  const std::size_t begin = description.find('\'');
  const std::string_view named =
      begin == std::string_view::npos ? "" : description.substr(begin + 1, description.rfind('\'') - begin - 1);
  if (!named.empty() && named.find('"') == std::string_view::npos && named.find('\'') == std::string_view::npos)
    return fmt::format("{} has a value already; keep one of the two", named);
  const std::string_view key = trimmed(line.substr(0, line.find('=')));
  if (begin == std::string_view::npos)
    return fmt::format("{} cannot be set, since a part of this name has a value already; keep one of the two", key);
  if (last_unquoted(line, "{") == std::string_view::npos)
    return fmt::format("{} has a value already; keep one of the two", key);
  return "a key of this table has a value already; keep one of the two";
}

/// The parser's words where nothing better is known, without what only it knows of.
std::string remaining(std::string_view description) {
  constexpr std::string_view kOpening = "Error while parsing ";
  if (description.starts_with(kOpening)) description.remove_prefix(kOpening.size());
  std::string text(description);
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kWords{
      {{"encountered end-of-file", "the file ends in it"},
       {", saw ", ", found "},
       {"key-value pair", "a key and its value"},
       {" are explicitly prohibited", " are not allowed"}}};
  for (const auto& [theirs, ours] : kWords)
    for (std::size_t at = text.find(theirs); at != std::string::npos; at = text.find(theirs, at + ours.size()))
      text.replace(at, theirs.size(), ours);
  return "this is no TOML: " + text;
}

}  // namespace

std::string toml_mistake(std::string_view text, std::uint32_t line, std::uint32_t column,
                         std::string_view description) {
  const std::string_view whole = line_of(text, line);
  const std::size_t at = byte_of(whole, column);
  const std::string_view before = whole.substr(0, at);
  const std::string_view here = whole.substr(at);
  const Word word = word_around(whole, at);
  const auto has = [&](std::string_view words) { return description.find(words) != std::string_view::npos; };
  const bool ends = has("end-of-file");

  if (has("parsing table header")) {
    if (has("cannot redefine")) return fmt::format("the section {} was there before; put its keys together", cut(here));
    if (has("blank bare keys")) return "a section has no name; expected one such as [train]";
    if (has("comment or whitespace"))
      return fmt::format("the section's name is followed by {}; expected the end of the line", cut(here));
    return "the section's name is not closed; expected a ] behind it, as in [train]";
  }
  if (has("cannot redefine")) return twice(whole, description);
  if (has("leading zero")) return fmt::format("the number {} begins with a 0; leave it out", word.text);
  if (has("not representable")) return fmt::format("the number {} is too large", word.text);
  if (has("parsing string") || has("escape sequence")) {
    if (has("escape sequence"))
      return fmt::format(
          "a backslash in \"...\" begins a special character, and {} is none; double it, or write the text "
          "in '...'",
          fmt::format("\\{}", escaped_character(here)));
    if (has("control characters") || ends || at >= whole.size())
      return "a text is not closed; its closing quote is missing";
  }
  if (has("parsing inline table")) {
    if (has("dangling comma")) return "a table in { } has no comma behind its last value; take it out";
    if (ends || at >= whole.size()) return "a table is not closed; expected a } on the same line";
    return fmt::format("found {} in a table; expected a comma between two keys with their values, or the closing }}",
                       cut(here));
  }
  if (has("parsing array")) {
    if (ends) return "an array is not closed; its ] is missing";
    if (here.starts_with(',')) return "a value is missing before a comma of an array";
    return fmt::format("found {} in an array; expected a comma between two values, or the closing ]", cut(here));
  }
  if (has("expected '='")) {
    const std::string_view name = trimmed(before.substr(before.find_last_of("{,") + 1));
    if (here.starts_with(':')) return fmt::format("{} is followed by a colon; write {} = value", name, name);
    if (!here.empty() && static_cast<unsigned char>(here.front()) >= 0x80)
      return fmt::format("the key {}{} has other characters than letters, digits, - and _; no key of temper has", name,
                         cut(trimmed(here.substr(0, here.find('=')))));
    return fmt::format("{} is followed by {}; expected = and a value", name, here.empty() ? "nothing" : cut(here));
  }
  if (has("comment or whitespace")) {
    // Of a value of several lines only the end is here.
    const std::size_t equals = first_unquoted_equals(before);
    if (equals == std::string_view::npos)
      return fmt::format("a value is followed by {}; expected the end of the line, or a comment behind a #", cut(here));
    return rest_of_line(trimmed(before.substr(equals + 1)), here);
  }
  if (has("parsing root table"))
    return fmt::format("found {}; expected a [section], key = value, or a comment behind a #", cut(here));
  if (has("floating-point") || has("integer")) return no_number(word);
  const bool breaks_off = has("key-value pair") && (ends || has("saw '\\n'"));
  if (breaks_off && word.before != '=')
    return fmt::format("{} is followed by nothing; expected = and a value", cut(word.text));
  if (breaks_off || has("boolean") || has("value type") || has("parsing value") || has("expected value"))
    return no_value(word);
  return remaining(description);
}

}  // namespace temper
