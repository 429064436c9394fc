// Filters of texts. Most take any value, as str() writes it.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "data/jinja/filters.h"
#include "data/jinja/operators.h"
#include "data/jinja/percent_format.h"
#include "data/jinja/text_cutting.h"

namespace temper::jinja {
namespace {

template <Casing kCasing>
Value cased(Machine& machine, const Value& value, const Arguments& arguments) {
  const BoundArguments bound("upper", arguments, {});
  const Text text = string_of(machine, value);
  machine.spend_text(text.size() * 4);
  return make_text(with_case(text, kCasing));
}

/// Words begin behind white space, hyphens and opening brackets, which str.title() has otherwise.
Value titled(Machine& machine, const Value& value, const Arguments& arguments) {
  const BoundArguments bound("title", arguments, {});
  const Text text = string_of(machine, value);
  machine.spend_text(text.size() * 8);
  Text out;
  bool at_beginning = true;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = character_bytes(text.bytes()[at]);
    const char32_t c = character_at(text.bytes(), at);
    const bool divides = is_python_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
    out.append(with_case(text.slice(at, at + length), at_beginning ? Casing::upper : Casing::lower));
    at_beginning = divides;
    at += length;
  }
  return make_text(std::move(out));
}

Value trimmed(Machine& machine, const Value& value, const Arguments& arguments) {
  const BoundArguments bound("trim", arguments, {"chars"});
  const Text text = string_of(machine, value);
  machine.spend_text(text.size());
  const Value characters = bound.get(0, None{});
  if (is_none(characters)) return make_text(strip(text, nullptr, true, true));
  if (!is_text(characters)) throw type_error("strip arg must be None or str");
  return make_text(strip(text, &text_of(characters).bytes(), true, true));
}

Value as_string(Machine& machine, const Value& value, const Arguments& arguments) {
  const BoundArguments bound("string", arguments, {});
  if (is_text(value)) return value;
  return make_text(string_of(machine, value));
}

Value marked_safe(Machine& machine, const Value& value, const Arguments& arguments) {
  const BoundArguments bound("safe", arguments, {});
  Text text = string_of(machine, value);
  text.is_markup = true;
  return make_text(std::move(text));
}

template <bool kForces>
Value escaped_text(Machine& machine, const Value& value, const Arguments& arguments) {
  const BoundArguments bound("escape", arguments, {});
  const Text text = string_of(machine, value);
  machine.spend_text(text.size() * 4);
  return make_text(text.is_markup && !kForces ? text : escaped(text));
}

Value replaced_in(Machine& machine, const Value& value, const Arguments& arguments) {
  const BoundArguments bound("replace", arguments, {"old", "new", "count"});
  const Value most = bound.get(2, None{});
  return make_text(replace_in(machine, string_of(machine, value), string_of(machine, bound.require(0)).bytes(),
                              string_of(machine, bound.require(1)), is_none(most) ? -1 : bound.integer(2, -1)));
}

Value truncated(Machine& machine, const Value& value, const Arguments& arguments) {
  const BoundArguments bound("truncate", arguments, {"length", "killwords", "end", "leeway"});
  if (!is_text(value)) {
    require_defined(value);
    throw type_error(fmt::format("object of type '{}' has no len()", type_name(value)));
  }
  const std::int64_t length = bound.integer(0, 255);
  const Text end = string_of(machine, bound.get(2, make_text("...")));
  const Value leeway = bound.get(3, None{});
  const std::int64_t spare = is_none(leeway) ? 5 : bound.integer(3, 5);
  const auto end_length = static_cast<std::int64_t>(count_characters(end.bytes()));
  if (length < end_length)
    throw TemplateError(Refusal::operation, "AssertionError",
                        fmt::format("expected length >= {}, got {}", end_length, length));
  if (spare < 0)
    throw TemplateError(Refusal::operation, "AssertionError", fmt::format("expected leeway >= 0, got {}", spare));
  const Text& text = text_of(value);
  machine.spend_text(8 * text.size());
  const std::vector<std::size_t> starts = character_starts(text.bytes());
  if (static_cast<std::int64_t>(starts.size()) - 1 <= length + spare) return value;
  Text kept = text.slice(0, starts[static_cast<std::size_t>(length - end_length)]);
  if (!bound.flag(1, false)) kept = split_at(machine, kept, " ", 1, /*from_right=*/true).front();
  kept.append(end);
  return make_text(std::move(kept));
}

Value indented(Machine& machine, const Value& value, const Arguments& arguments) {
  const BoundArguments bound("indent", arguments, {"width", "first", "blank"});
  if (!is_text(value)) {
    require_defined(value);
    throw type_error(fmt::format("unsupported operand type(s) for +=: '{}' and 'str'", type_name(value)));
  }
  Text margin;
  if (bound.find(0) != nullptr && is_text(*bound.find(0))) {
    margin = text_of(*bound.find(0));
  } else {
    const std::int64_t width = std::clamp<std::int64_t>(bound.integer(0, 4), 0, 10'000);
    margin = Text(std::string(static_cast<std::size_t>(width), ' '));
  }
  machine.spend_text(4 * text_of(value).size());
  Text whole = text_of(value);
  whole.append("\n", false);
  const std::vector<Text> lines = split_lines(machine, whole, false);
  Text out;
  if (bound.flag(1, false)) out.append(margin);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) {
      machine.spend_text(margin.size() + lines[i].size());
      out.append("\n", false);
      if (bound.flag(2, false) || !lines[i].empty()) out.append(margin);
    }
    out.append(lines[i]);
  }
  return make_text(std::move(out));
}

Value centered(Machine& machine, const Value& value, const Arguments& arguments) {
  const BoundArguments bound("center", arguments, {"width"});
  return make_text(align_text(machine, string_of(machine, value), bound.integer(0, 80), Text(" "), '^'));
}

Value words_counted(Machine& machine, const Value& value, const Arguments& arguments) {
  const BoundArguments bound("wordcount", arguments, {});
  const Text text = string_of(machine, value);
  machine.spend_text(text.size() * 2);
  Integer words = 0;
  bool inside = false;
  for (std::size_t at = 0; at < text.size(); at += character_bytes(text.bytes()[at])) {
    const bool word = is_word(character_at(text.bytes(), at));
    words += word && !inside ? 1 : 0;
    inside = word;
  }
  return make_integer(words);
}

Value formatted_with(Machine& machine, const Value& value, const Arguments& arguments) {
  if (!arguments.positional.empty() && !arguments.named.empty())
    throw filter_argument_error("can't handle positional and keyword arguments at the same time");
  Value values = make_tuple(arguments.positional);
  if (!arguments.named.empty()) {
    std::vector<std::pair<Value, Value>> entries;
    for (const auto& [name, argument] : arguments.named) entries.emplace_back(make_text(name), argument);
    values = make_dict(machine, std::move(entries));
  }
  return make_text(percent_format(machine, string_of(machine, value), values));
}

Text percent_encoded(const Text& text, bool keeps_slash) {
  Text out;
  for (const Text::Run& run : text.runs()) {
    std::string bytes;
    for (const char c : run.bytes) {
      const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                         c == '.' || c == '-' || c == '~' || (c == '/' && keeps_slash);
      bytes += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    }
    out.append(bytes, run.from_data);
  }
  return out;
}

Value url_encoded(Machine& machine, const Value& value, const Arguments& arguments) {
  const BoundArguments bound("urlencode", arguments, {});
  if (is_text(value) || !is_iterable(value)) {
    const Text text = string_of(machine, value);
    machine.spend_text(text.size() * 4);
    return make_text(percent_encoded(text, true));
  }
  Text out;
  const Value pairs = is_dict(value) ? machine.filter("items", value, {}) : value;
  for (const Value& pair : iterate(machine, pairs)) {
    const std::vector<Value> parts = iterate(machine, pair);
    if (parts.size() != 2)
      throw value_error(fmt::format("not enough values to unpack (expected 2, got {})", parts.size()));
    if (!out.empty()) out.append("&", false);
    out.append(percent_encoded(string_of(machine, parts[0]), false));
    out.append("=", false);
    out.append(percent_encoded(string_of(machine, parts[1]), false));
  }
  machine.spend_text(out.size() * 4);
  return make_text(std::move(out));
}

Value size_written(Machine& /*machine*/, const Value& value, const Arguments& arguments) {
  const BoundArguments bound("filesizeformat", arguments, {"binary"});
  require_defined(value);
  if (!is_number(value)) throw type_error(fmt::format("float() argument must be a number, not '{}'", type_name(value)));
  const double bytes = real_of(value);
  const bool binary = bound.flag(0, false);
  const double base = binary ? 1024 : 1000;
  if (bytes == 1) return make_text("1 Byte");
  if (bytes < base) {
    if (std::isinf(bytes))
      throw TemplateError(Refusal::operation, "OverflowError", "cannot convert float infinity to integer");
    return make_text(fmt::format("{:.0f} Bytes", std::trunc(bytes) + 0.0));
  }
  static constexpr const char* kPrefixes[] = {"k", "M", "G", "T", "P", "E", "Z", "Y"};
  double unit = base;
  for (std::size_t i = 0; i < 8; ++i) {
    unit *= base;
    if (bytes < unit || i == 7)
      return make_text(
          fmt::format("{:.1f} {}", base * bytes / unit,
                      binary ? std::string(i == 0 ? "K" : kPrefixes[i]) + "iB" : std::string(kPrefixes[i]) + "B"));
  }
  return value;
}

Value not_here(Machine& /*machine*/, const Value& /*value*/, const Arguments& /*arguments*/) {
  throw TemplateError(Refusal::not_template, "TemplateRuntimeError",
                      "one of the filters wordwrap, urlize, xmlattr, striptags, pprint and random is used, which "
                      "templates do not have here");
}

}  // namespace

Filter text_filter(std::string_view name) {
  static constexpr std::pair<std::string_view, Filter> kFilters[] = {
      {"upper", cased<Casing::upper>},
      {"lower", cased<Casing::lower>},
      {"capitalize", cased<Casing::capitalize>},
      {"title", titled},
      {"trim", trimmed},
      {"string", as_string},
      {"safe", marked_safe},
      {"escape", escaped_text<false>},
      {"e", escaped_text<false>},
      {"forceescape", escaped_text<true>},
      {"replace", replaced_in},
      {"truncate", truncated},
      {"indent", indented},
      {"center", centered},
      {"wordcount", words_counted},
      {"format", formatted_with},
      {"urlencode", url_encoded},
      {"filesizeformat", size_written},
      {"wordwrap", not_here},
      {"urlize", not_here},
      {"xmlattr", not_here},
      {"striptags", not_here},
      {"pprint", not_here},
      {"random", not_here},
  };
  for (const auto& [known, filter] : kFilters)
    if (known == name) return filter;
  return nullptr;
}

}  // namespace temper::jinja
