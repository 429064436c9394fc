// The methods of str.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "data/jinja/objects.h"
#include "data/jinja/percent_format.h"
#include "data/jinja/text_cutting.h"

namespace temper::jinja {
namespace {

const std::string& text_argument(const Value& value) {
  require_defined(value);
  if (!is_text(value)) throw type_error(fmt::format("must be str, not {}", type_name(value)));
  return text_of(value).bytes();
}

Value as_list(std::vector<Text> pieces) {
  std::vector<Value> items;
  for (Text& piece : pieces) items.push_back(make_text(std::move(piece)));
  return make_list(std::move(items));
}

template <Casing kCasing>
Value recased(Machine& machine, const Value& self, Arguments& arguments) {
  const BoundArguments bound("upper", arguments, {});
  machine.spend_text(text_of(self).size() * 4);
  return make_text(with_case(text_of(self), kCasing));
}

template <bool kLeft, bool kRight>
Value stripped(Machine& machine, const Value& self, Arguments& arguments) {
  const BoundArguments bound("strip", arguments, {"chars"});
  const Value characters = bound.get(0, None{});
  machine.spend_text(text_of(self).size());
  if (is_none(characters)) return make_text(strip(text_of(self), nullptr, kLeft, kRight));
  if (!is_text(characters)) throw type_error("strip arg must be None or str");
  return make_text(strip(text_of(self), &text_of(characters).bytes(), kLeft, kRight));
}

template <bool kFromRight>
Value split_up(Machine& machine, const Value& self, Arguments& arguments) {
  const BoundArguments bound("split", arguments, {"sep", "maxsplit"});
  const Value separator = bound.get(0, None{});
  const std::int64_t most = bound.integer(1, -1);
  machine.spend_text(text_of(self).size() * 4);
  if (is_none(separator)) return as_list(split_at_space(machine, text_of(self), most, kFromRight));
  if (!is_text(separator)) throw type_error(fmt::format("must be str or None, not {}", type_name(separator)));
  if (text_of(separator).empty()) throw value_error("empty separator");
  return as_list(split_at(machine, text_of(self), text_of(separator).bytes(), most, kFromRight));
}

template <bool kEnd>
Value begins_or_ends(Machine& machine, const Value& self, Arguments& arguments) {
  const BoundArguments bound(kEnd ? "endswith" : "startswith", arguments, {"prefix", "start", "end"});
  std::string_view text = text_of(self).bytes();
  if (bound.find(1) != nullptr || bound.find(2) != nullptr) {
    machine.spend_text(8 * text.size());
    const std::vector<std::size_t> starts = character_starts(text);
    const auto length = static_cast<std::int64_t>(starts.size()) - 1;
    const auto place = [&](std::int64_t at) {
      return starts[static_cast<std::size_t>(std::clamp<std::int64_t>(at < 0 ? at + length : at, 0, length))];
    };
    const std::size_t begin = place(bound.integer(1, 0));
    const std::size_t end = place(bound.integer(2, length));
    text = begin < end ? text.substr(begin, end - begin) : std::string_view();
  }
  const auto fits = [&](const Value& part) {
    if (!is_text(part))
      throw type_error(fmt::format("{} first arg must be str or a tuple of str, not {}",
                                   kEnd ? "endswith" : "startswith", type_name(part)));
    machine.spend_text(text_of(part).size());
    return kEnd ? text.ends_with(text_of(part).bytes()) : text.starts_with(text_of(part).bytes());
  };
  const Value& part = bound.require(0);
  if (is_tuple(part)) {
    const std::vector<Value>& parts = std::get<SequencePointer>(part)->items;
    return std::any_of(parts.begin(), parts.end(), fits);
  }
  return fits(part);
}

Value replaced(Machine& machine, const Value& self, Arguments& arguments) {
  const BoundArguments bound("replace", arguments, {"old", "new", "count"});
  text_argument(bound.require(0));
  text_argument(bound.require(1));
  return make_text(replace_in(machine, text_of(self), text_of(bound.require(0)).bytes(), text_of(bound.require(1)),
                              bound.integer(2, -1)));
}

Value joined_by(Machine& machine, const Value& self, Arguments& arguments) {
  const BoundArguments bound("join", arguments, {"iterable"});
  Text text;
  std::size_t number = 0;
  for (const Value& item : iterate(machine, bound.require(0))) {
    if (!is_text(item))
      throw type_error(fmt::format("sequence item {}: expected str instance, {} found", number, type_name(item)));
    machine.spend_text(text_of(self).size() + text_of(item).size());
    if (number++ > 0) text.append(text_of(self));
    text.append(text_of(item));
  }
  return make_text(std::move(text));
}

/// Characters before the place where a part stands; -1: nowhere.
std::int64_t place_in(Meter& meter, const Value& self, const BoundArguments& bound, bool last) {
  const std::string& text = text_of(self).bytes();
  const std::string& part = text_argument(bound.require(0));
  const std::vector<std::size_t> starts = character_starts(text);
  const auto length = static_cast<std::int64_t>(starts.size()) - 1;
  const auto place = [&](std::int64_t at) { return std::clamp<std::int64_t>(at < 0 ? at + length : at, 0, length); };
  const std::int64_t first = bound.integer(1, 0);
  if (first > length) return -1;
  const std::size_t begin = starts[static_cast<std::size_t>(place(first))];
  const std::size_t end = starts[static_cast<std::size_t>(place(bound.integer(2, length)))];
  if (begin > end) return -1;
  const std::string_view window = std::string_view(text).substr(begin, end - begin);
  const std::size_t found = last ? find_last_part(meter, window, part) : find_part(meter, window, part);
  if (found == std::string_view::npos) return -1;
  return static_cast<std::int64_t>(count_characters(std::string_view(text).substr(0, begin + found)));
}

template <bool kLast, bool kRequired>
Value found_in(Machine& machine, const Value& self, Arguments& arguments) {
  const BoundArguments bound("find", arguments, {"sub", "start", "end"});
  machine.spend_text(8 * text_of(self).size());
  const std::int64_t place = place_in(machine, self, bound, kLast);
  if (kRequired && place < 0) throw value_error("substring not found");
  return make_integer(place);
}

Value counted_in(Machine& machine, const Value& self, Arguments& arguments) {
  const BoundArguments bound("count", arguments, {"sub"});
  const std::string& text = text_of(self).bytes();
  const std::string& part = text_argument(bound.require(0));
  machine.spend_text(text.size());
  if (part.empty()) return make_integer(static_cast<Integer>(count_characters(text)) + 1);
  Integer count = 0;
  for (std::size_t at = find_part(machine, text, part); at != std::string::npos;
       at = find_part(machine, text, part, at + part.size()))
    ++count;
  return make_integer(count);
}

template <bool kLast>
Value parted_at(Machine& machine, const Value& self, Arguments& arguments) {
  const BoundArguments bound("partition", arguments, {"sep"});
  const Text& text = text_of(self);
  const std::string& separator = text_argument(bound.require(0));
  if (separator.empty()) throw value_error("empty separator");
  machine.spend_text(text.size());
  const std::size_t at =
      kLast ? find_last_part(machine, text.bytes(), separator) : find_part(machine, text.bytes(), separator);
  if (at == std::string::npos) {
    if (kLast) return make_tuple({make_text(""), make_text(""), self});
    return make_tuple({self, make_text(""), make_text("")});
  }
  const std::size_t end = at + separator.size();
  return make_tuple(
      {make_text(text.slice(0, at)), make_text(text.slice(at, end)), make_text(text.slice(end, text.size()))});
}

Value lines_of(Machine& machine, const Value& self, Arguments& arguments) {
  const BoundArguments bound("splitlines", arguments, {"keepends"});
  machine.spend_text(text_of(self).size() * 4);
  return as_list(split_lines(machine, text_of(self), bound.flag(0, false)));
}

template <char kAlign>
Value aligned(Machine& machine, const Value& self, Arguments& arguments) {
  const BoundArguments bound("center", arguments, {"width", "fillchar"});
  bound.require(0);
  const std::int64_t width = bound.integer(0, 0);
  const Value fill = bound.get(1, make_text(" "));
  if (!is_text(fill) || length_of(machine, fill) != 1)
    throw type_error("The fill character must be exactly one character long");
  return make_text(align_text(machine, text_of(self), width, text_of(fill), kAlign));
}

Value filled_with_zeros(Machine& machine, const Value& self, Arguments& arguments) {
  const BoundArguments bound("zfill", arguments, {"width"});
  bound.require(0);
  const std::int64_t width = bound.integer(0, 0);
  if (width > static_cast<std::int64_t>(kLongestText)) throw limit_error("the template makes a text that is too long");
  const Text& text = text_of(self);
  machine.spend_text(text.size());
  machine.spend(std::max<std::int64_t>(width, 0) / 16);
  const bool has_sign = text.bytes().starts_with('-') || text.bytes().starts_with('+');
  const auto length = static_cast<std::int64_t>(count_characters(text.bytes()));
  Text filled = text.slice(0, has_sign ? 1 : 0);
  if (width > length) filled.append(std::string(static_cast<std::size_t>(width - length), '0'), false);
  filled.append(text.slice(has_sign ? 1 : 0, text.size()));
  return make_text(std::move(filled));
}

template <bool kSuffix>
Value removed(Machine& machine, const Value& self, Arguments& arguments) {
  const BoundArguments bound("removeprefix", arguments, {"prefix"});
  const Text& text = text_of(self);
  const std::string& part = text_argument(bound.require(0));
  machine.spend_text(text.size());
  if (kSuffix && !part.empty() && text.bytes().ends_with(part))
    return make_text(text.slice(0, text.size() - part.size()));
  if (!kSuffix && text.bytes().starts_with(part)) return make_text(text.slice(part.size(), text.size()));
  return self;
}

Value formatted_by(Machine& machine, const Value& self, Arguments& arguments) {
  return make_text(brace_format(machine, text_of(self), arguments));
}

Value tabs_expanded(Machine& machine, const Value& self, Arguments& arguments) {
  const BoundArguments bound("expandtabs", arguments, {"tabsize"});
  const std::int64_t size = std::clamp<std::int64_t>(bound.integer(0, 8), 0, 1000);
  const Text& text = text_of(self);
  Text out;
  std::int64_t column = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = character_bytes(text.bytes()[at]);
    if (text.bytes()[at] == '\t') {
      const std::int64_t blanks = size == 0 ? 0 : size - column % size;
      out.append(std::string(static_cast<std::size_t>(blanks), ' '), false);
      column += blanks;
    } else {
      out.append(text.slice(at, at + length));
      column = text.bytes()[at] == '\n' || text.bytes()[at] == '\r' ? 0 : column + 1;
    }
    at += length;
  }
  machine.spend_text(out.size() * 4);
  return make_text(std::move(out));
}

template <bool (*kHas)(char32_t)>
Value all_are(Machine& machine, const Value& self, Arguments& arguments) {
  const BoundArguments bound("isspace", arguments, {});
  machine.spend_text(text_of(self).size());
  return all_characters(text_of(self).bytes(), kHas);
}

bool is_letter_or_number(char32_t c) { return is_alphabetic(c) || is_numeric_character(c); }
bool is_ascii_character(char32_t c) { return c < 0x80; }

template <bool (*kHas)(std::string_view)>
Value cased_as(Machine& machine, const Value& self, Arguments& arguments) {
  const BoundArguments bound("islower", arguments, {});
  machine.spend_text(text_of(self).size());
  return kHas(text_of(self).bytes());
}

bool has_title_case(std::string_view bytes) {
  return (is_upper_case(bytes) || is_lower_case(bytes) || !bytes.empty()) &&
         with_case(Text(std::string(bytes)), Casing::title).bytes() == bytes &&
         with_case(Text(std::string(bytes)), Casing::swap).bytes() != bytes;
}

bool is_identifier(std::string_view bytes) {
  return all_characters(bytes, is_word) && !is_decimal(character_at(bytes, 0));
}

bool is_ascii(std::string_view bytes) { return bytes.empty() || all_characters(bytes, is_ascii_character); }
bool is_all_printable(std::string_view bytes) { return bytes.empty() || all_characters(bytes, is_printable); }

}  // namespace

Function::Body text_method(std::string_view name) {
  static constexpr std::pair<std::string_view, Function::Body> kMethods[] = {
      {"strip", stripped<true, true>},
      {"lstrip", stripped<true, false>},
      {"rstrip", stripped<false, true>},
      {"split", split_up<false>},
      {"rsplit", split_up<true>},
      {"startswith", begins_or_ends<false>},
      {"endswith", begins_or_ends<true>},
      {"replace", replaced},
      {"join", joined_by},
      {"find", found_in<false, false>},
      {"rfind", found_in<true, false>},
      {"index", found_in<false, true>},
      {"rindex", found_in<true, true>},
      {"count", counted_in},
      {"partition", parted_at<false>},
      {"rpartition", parted_at<true>},
      {"splitlines", lines_of},
      {"upper", recased<Casing::upper>},
      {"lower", recased<Casing::lower>},
      {"casefold", recased<Casing::fold>},
      {"title", recased<Casing::title>},
      {"capitalize", recased<Casing::capitalize>},
      {"swapcase", recased<Casing::swap>},
      {"center", aligned<'^'>},
      {"ljust", aligned<'<'>},
      {"rjust", aligned<'>'>},
      {"zfill", filled_with_zeros},
      {"removeprefix", removed<false>},
      {"removesuffix", removed<true>},
      {"format", formatted_by},
      {"expandtabs", tabs_expanded},
      {"isspace", all_are<is_python_space>},
      {"isalpha", all_are<is_alphabetic>},
      {"isalnum", all_are<is_letter_or_number>},
      {"isdigit", all_are<is_digit>},
      {"isdecimal", all_are<is_decimal>},
      {"isnumeric", all_are<is_numeric_character>},
      {"islower", cased_as<is_lower_case>},
      {"isupper", cased_as<is_upper_case>},
      {"istitle", cased_as<has_title_case>},
      {"isidentifier", cased_as<is_identifier>},
      {"isascii", cased_as<is_ascii>},
      {"isprintable", cased_as<is_all_printable>},
  };
  for (const auto& [known, method] : kMethods)
    if (known == name) return method;
  return nullptr;
}

}  // namespace temper::jinja
