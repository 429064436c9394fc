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

/// What a user wrote as a value: from the begin up to a comma, a bracket or a comment.
std::string_view word_at(std::string_view text) { return trimmed(text.substr(0, text.find_first_of(",]}#"))); }

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// Of a value that is none.
std::string no_value(std::string_view value) {
  if (value.empty()) return "a value is missing behind the =";
  if (is_one_of(value, {"True", "TRUE", "Yes", "yes", "YES", "on", "On", "T", "Y"}))
    return fmt::format("{} is no value; write true", value);
  if (is_one_of(value, {"False", "FALSE", "No", "no", "NO", "off", "Off", "F", "N"}))
    return fmt::format("{} is no value; write false", value);
  if (is_one_of(value, {"None", "none", "null", "Null", "nil", "nul"}))
    return fmt::format("{} is no value; leave the key out to have its default", value);
  for (const std::string_view quote : {"\u201C", "\u201D", "\u2018", "\u2019", "\u00AB", "`"})
    if (value.starts_with(quote)) return fmt::format("{} has no straight quotes; write a text as \"...\"", value);
  if (value.starts_with('=')) return "a single = stands between a key and its value";
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

std::string no_number(std::string_view value) {
  if (value.starts_with('.') || value.ends_with('.'))
    return fmt::format("{} is no number; a digit must stand on both sides of the point", value);
  if (is_one_of(value, {"nan", "inf", "+inf", "-inf"})) return fmt::format("{} is no finite number", value);
  // Words that begin as inf and nan do.
  if (value.find_first_of("0123456789+-.") != 0) return no_value(value);
  return fmt::format("{} is no number; expected digits such as 3, 0.5 or 2e-5 (a text needs quotes)", value);
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
  const std::size_t equals = whole.find('=');
  const std::string_view key = trimmed(whole.substr(0, equals));
  const std::string_view value = equals == std::string_view::npos ? "" : trimmed(whole.substr(equals + 1));
  const auto has = [&](std::string_view words) { return description.find(words) != std::string_view::npos; };
  const bool ends = has("end-of-file");

  if (has("parsing table header")) {
    if (has("cannot redefine")) return fmt::format("the section {} was there before; put its keys together", cut(here));
    if (has("blank bare keys")) return "a section has no name; expected one such as [train]";
    if (has("comment or whitespace"))
      return fmt::format("the section's name is followed by {}; expected the end of the line", cut(here));
    return "the section's name is not closed; expected a ] behind it, as in [train]";
  }
  if (has("cannot redefine")) return fmt::format("{} has a value already; keep one of the two", key);
  if (has("leading zero")) return fmt::format("the number {} begins with a 0; leave it out", word_at(value));
  if (has("not representable")) return fmt::format("the number {} is too large", word_at(value));
  if (has("parsing string") || has("escape sequence")) {
    if (has("escape sequence"))
      return fmt::format(
          "a backslash in \"...\" begins a special character, and {} is none; double it, or write the text "
          "in '...'",
          fmt::format("\\{}", here.substr(0, 1)));
    if (has("control characters") || ends || at >= whole.size())
      return "a text is not closed; its closing quote is missing";
  }
  if (has("parsing inline table")) {
    if (has("dangling comma")) return "a table in { } has no comma behind its last value; take it out";
    if (ends || at >= whole.size()) return "a table is not closed; expected a } on the same line";
    return fmt::format("a table in {{ }} is followed by {}; expected key = value, or the closing }}", cut(here));
  }
  if (has("parsing array")) {
    if (ends) return "an array is not closed; its ] is missing";
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
    std::string_view written = before;
    if (equals != std::string_view::npos && equals < at) written = before.substr(equals + 1);
    return rest_of_line(trimmed(written), here);
  }
  if (has("parsing root table"))
    return fmt::format("found {}; expected a [section], key = value, or a comment behind a #", cut(here));
  if (has("floating-point") || has("integer")) return no_number(word_at(value));
  if (has("boolean") || has("value type") || has("parsing value") ||
      (has("key-value pair") && (ends || has("saw '\\n'"))))
    return no_value(value.empty() ? value : word_at(before.find('=') == std::string_view::npos ? value : here));
  return remaining(description);
}

}  // namespace temper
