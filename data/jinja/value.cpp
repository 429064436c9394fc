#include "data/jinja/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace temper::jinja {
namespace {

/// Values that nest deeper are refused: comparing, writing and ending them recurses once per level.
constexpr int kDeepestValue = 200;

int depth_of(const Value& value) {
  if (const auto* sequence = std::get_if<SequencePointer>(&value)) return (*sequence)->depth;
  if (const auto* dict = std::get_if<DictPointer>(&value)) return (*dict)->depth;
  if (const auto* object = std::get_if<ObjectPointer>(&value)) return (*object)->depth();
  return 0;
}

}  // namespace

int depth_around(const Value& held) {
  const int depth = depth_of(held) + 1;
  if (depth > kDeepestValue) throw limit_error(fmt::format("values nest more than {} levels deep", kDeepestValue));
  return depth;
}

Value make_text(Text text) { return std::make_shared<const Text>(std::move(text)); }
Value make_text(std::string_view bytes, bool from_data) { return make_text(Text(std::string(bytes), from_data)); }

Value make_undefined(std::string message, bool is_forbidden) {
  return std::make_shared<const Undefined>(Undefined{std::move(message), is_forbidden});
}

Value make_sequence(SequenceKind kind, std::vector<Value> items) {
  int depth = 1;
  for (const Value& item : items) depth = std::max(depth, depth_around(item));
  const auto sequence = std::make_shared<Sequence>();
  sequence->kind = kind;
  sequence->depth = depth;
  sequence->items = std::move(items);
  return sequence;
}

Value make_dict(Meter& meter, std::vector<std::pair<Value, Value>> entries) {
  const auto dict = std::make_shared<Dict>();
  for (auto& [key, value] : entries) dict->set(meter, key, std::move(value));
  return dict;
}

Value make_dict(std::vector<std::pair<Value, Value>> entries) {
  Meter meter(std::numeric_limits<std::int64_t>::max());
  return make_dict(meter, std::move(entries));
}

void Meter::fail() const {
  throw limit_error(
      fmt::format("the template takes more than {} steps: it loops, or goes through far too much", limit_));
}

Value Object::call(Machine& /*machine*/, Arguments /*arguments*/) {
  throw type_error(fmt::format("'{}' object is not callable", type_name()));
}

bool is_list(const Value& value) {
  const auto* sequence = std::get_if<SequencePointer>(&value);
  return sequence != nullptr && (*sequence)->kind == SequenceKind::list;
}

bool is_tuple(const Value& value) {
  const auto* sequence = std::get_if<SequencePointer>(&value);
  return sequence != nullptr && (*sequence)->kind == SequenceKind::tuple;
}

bool is_callable(const Value& value) {
  const auto* object = std::get_if<ObjectPointer>(&value);
  return object != nullptr && (*object)->callable();
}

bool is_integral(const Value& value) {
  return std::holds_alternative<Integer>(value) || std::holds_alternative<bool>(value);
}
bool is_number(const Value& value) { return is_integral(value) || std::holds_alternative<double>(value); }

Integer integral_of(const Value& value) {
  if (const auto* truth_value = std::get_if<bool>(&value)) return *truth_value ? 1 : 0;
  return std::get<Integer>(value);
}

double real_of(const Value& value) {
  if (const auto* real = std::get_if<double>(&value)) return *real;
  return static_cast<double>(integral_of(value));
}

std::string type_name(const Value& value) {
  if (is_undefined(value)) return "Undefined";
  if (is_none(value)) return "NoneType";
  if (std::holds_alternative<bool>(value)) return "bool";
  if (std::holds_alternative<Integer>(value)) return "int";
  if (std::holds_alternative<double>(value)) return "float";
  if (is_text(value)) return text_of(value).is_markup ? "Markup" : "str";
  if (is_dict(value)) return "dict";
  if (const auto* object = std::get_if<ObjectPointer>(&value)) return (*object)->type_name();
  switch (std::get<SequencePointer>(value)->kind) {
    case SequenceKind::list:
      return "list";
    case SequenceKind::tuple:
      return "tuple";
    case SequenceKind::range:
      return "range";
    case SequenceKind::keys:
      return "dict_keys";
    case SequenceKind::values:
      return "dict_values";
    case SequenceKind::items:
      return "dict_items";
    case SequenceKind::generator:
      return "generator";
    case SequenceKind::reversed:
      return "list_reverseiterator";
  }
  return "object";
}

void fail_undefined(const Value& value) {
  const Undefined& undefined = undefined_of(value);
  throw TemplateError(Refusal::not_template, undefined.is_forbidden ? "SecurityError" : "UndefinedError",
                      undefined.message);
}

void require_defined(const Value& value) {
  if (is_undefined(value)) fail_undefined(value);
}

bool truth(const Value& value) {
  if (is_undefined(value) || is_none(value)) return false;
  if (const auto* boolean = std::get_if<bool>(&value)) return *boolean;
  if (const auto* integer = std::get_if<Integer>(&value)) return *integer != 0;
  if (const auto* real = std::get_if<double>(&value)) return *real != 0.0;
  if (is_text(value)) return !text_of(value).empty();
  if (is_dict(value)) return !std::get<DictPointer>(value)->entries.empty();
  if (is_sequence(value)) {
    const Sequence& sequence = *std::get<SequencePointer>(value);
    return sequence.is_iterator() || !sequence.items.empty();
  }
  return true;
}

std::string integer_digits(Integer value) {
  if (value == 0) return "0";
  const bool negative = value < 0;
  std::string digits;
  for (; value != 0; value /= 10) digits += static_cast<char>('0' + (value % 10 < 0 ? -(value % 10) : value % 10));
  if (negative) digits += '-';
  std::reverse(digits.begin(), digits.end());
  return digits;
}

std::string real_digits(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::scientific);
  std::string_view written(buffer, static_cast<std::size_t>(end.ptr - buffer));
  std::string sign;
  if (written.starts_with('-')) {
    sign = "-";
    written.remove_prefix(1);
  }
  const std::size_t e = written.find('e');
  std::string digits(written.substr(0, e));
  if (digits.size() > 1) digits.erase(1, 1);
  std::string_view power = written.substr(e + 1);
  if (power.starts_with('+')) power.remove_prefix(1);
  int exponent = 0;
  std::from_chars(power.data(), power.data() + power.size(), exponent);
  const int count = static_cast<int>(digits.size());
  // repr() turns to an exponent below 1e-4 and from 1e16 on.
  if (exponent < -4 || exponent >= 16) {
    const std::string_view all(digits);
    return fmt::format("{}{}{}{}e{}{:02}", sign, all.substr(0, 1), count > 1 ? "." : "", all.substr(1),
                       exponent < 0 ? '-' : '+', std::abs(exponent));
  }
  if (exponent < 0) return sign + "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
  if (count <= exponent + 1)
    return sign + digits + std::string(static_cast<std::size_t>(exponent + 1 - count), '0') + ".0";
  const auto point = static_cast<std::size_t>(exponent) + 1;
  return fmt::format("{}{}.{}", sign, std::string_view(digits).substr(0, point),
                     std::string_view(digits).substr(point));
}

Text representation(const Text& text) {
  const std::string& bytes = text.bytes();
  const bool has_single = bytes.find('\'') != std::string::npos;
  const bool has_double = bytes.find('"') != std::string::npos;
  const char quote = has_single && !has_double ? '"' : '\'';
  Text written(std::string(1, quote));
  for (const Text::Run& run : text.runs()) {
    std::string piece;
    for (std::size_t at = 0; at < run.bytes.size();) {
      const std::size_t length = character_bytes(run.bytes[at]);
      const char32_t c = character_at(run.bytes, at);
      if (c == static_cast<char32_t>(quote) || c == '\\') {
        piece += '\\';
        piece += static_cast<char>(c);
      } else if (c == '\n') {
        piece += "\\n";
      } else if (c == '\r') {
        piece += "\\r";
      } else if (c == '\t') {
        piece += "\\t";
      } else if (is_printable(c)) {
        piece += run.bytes.substr(at, length);
      } else if (c < 0x100) {
        piece += fmt::format("\\x{:02x}", static_cast<unsigned>(c));
      } else if (c < 0x10000) {
        piece += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
      } else {
        piece += fmt::format("\\U{:08x}", static_cast<unsigned>(c));
      }
      at += length;
    }
    written.append(piece, run.from_data);
  }
  written.append(std::string_view(&quote, 1), false);
  return written;
}

namespace {

/// Appends what an element of a list or a dictionary is written as.
void append_representation(Meter& meter, const Value& value, Text& written) {
  const Text piece = representation(meter, value);
  meter.spend_text(piece.size());
  written.append(piece);
}

Text joined(Meter& meter, const std::vector<Value>& items, const char* open, const char* close,
            bool is_tuple_of_one = false) {
  Text written{std::string(open)};
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) written.append(", ", false);
    append_representation(meter, items[i], written);
  }
  if (is_tuple_of_one) written.append(",", false);
  written.append(close, false);
  return written;
}

Text representation_of_dict(Meter& meter, const Dict& dict) {
  Text written("{");
  bool first = true;
  for (const auto& [key, value] : dict.entries) {
    if (!first) written.append(", ", false);
    first = false;
    append_representation(meter, key, written);
    written.append(": ", false);
    append_representation(meter, value, written);
  }
  written.append("}", false);
  return written;
}

Text representation_of_sequence(Meter& meter, const Sequence& sequence) {
  switch (sequence.kind) {
    case SequenceKind::list:
      return joined(meter, sequence.items, "[", "]");
    case SequenceKind::tuple:
      return joined(meter, sequence.items, "(", ")", sequence.items.size() == 1);
    case SequenceKind::range:
      return Text(sequence.written);
    case SequenceKind::keys:
      return joined(meter, sequence.items, "dict_keys([", "])");
    case SequenceKind::values:
      return joined(meter, sequence.items, "dict_values([", "])");
    case SequenceKind::items:
      return joined(meter, sequence.items, "dict_items([", "])");
    case SequenceKind::generator:
    case SequenceKind::reversed:
      break;
  }
  throw type_error("what map, select and their like give cannot be written out; put | list or | join behind it");
}

}  // namespace

Text representation(Meter& meter, const Value& value) {
  meter.spend(1);
  if (is_undefined(value)) return Text("Undefined");
  if (is_text(value)) {
    meter.spend_text(8 * text_of(value).size());
    const Text quoted = representation(text_of(value));
    if (!text_of(value).is_markup) return quoted;
    Text markup("Markup(");
    markup.append(quoted);
    markup.append(")", false);
    return markup;
  }
  if (is_dict(value)) return representation_of_dict(meter, *std::get<DictPointer>(value));
  if (is_sequence(value)) return representation_of_sequence(meter, *std::get<SequencePointer>(value));
  return string_of(meter, value);
}

Text string_of(Meter& meter, const Value& value) {
  if (is_undefined(value)) return {};
  if (is_none(value)) return Text("None");
  if (const auto* boolean = std::get_if<bool>(&value)) return Text(*boolean ? "True" : "False");
  if (const auto* integer = std::get_if<Integer>(&value)) return Text(integer_digits(*integer));
  if (const auto* real = std::get_if<double>(&value)) return Text(real_digits(*real));
  if (is_text(value)) {
    meter.spend_text(text_of(value).size());
    return text_of(value);
  }
  if (const auto* object = std::get_if<ObjectPointer>(&value)) return Text((*object)->written());
  return representation(meter, value);
}

Text string_of(const Value& value) {
  Meter meter;
  return string_of(meter, value);
}

std::size_t length_of(Meter& meter, const Value& value) {
  if (is_undefined(value)) {
    if (undefined_of(value).is_forbidden) fail_undefined(value);
    return 0;
  }
  if (is_text(value)) {
    meter.spend_text(text_of(value).size());
    return count_characters(text_of(value).bytes());
  }
  if (is_dict(value)) return std::get<DictPointer>(value)->entries.size();
  if (is_sequence(value) && !std::get<SequencePointer>(value)->is_iterator())
    return std::get<SequencePointer>(value)->items.size();
  throw type_error(fmt::format("object of type '{}' has no len()", type_name(value)));
}

bool is_iterable(const Value& value) {
  return is_undefined(value) || is_text(value) || is_dict(value) || is_sequence(value);
}

std::vector<Value> iterate(Meter& meter, const Value& value) {
  if (is_undefined(value)) {
    if (undefined_of(value).is_forbidden) fail_undefined(value);
    return {};
  }
  std::vector<Value> items;
  if (is_text(value)) {
    const Text& text = text_of(value);
    meter.spend_text(text.size());
    meter.spend_new(count_characters(text.bytes()));
    const std::vector<std::size_t> starts = character_starts(text.bytes());
    items.reserve(starts.size());
    for (std::size_t i = 0; i + 1 < starts.size(); ++i)
      items.push_back(make_text(text.slice(starts[i], starts[i + 1])));
    return items;
  }
  if (is_dict(value)) {
    const Dict& dict = *std::get<DictPointer>(value);
    meter.spend_items(dict.entries.size());
    for (const auto& [key, entry] : dict.entries) items.push_back(key);
    return items;
  }
  if (!is_sequence(value)) throw type_error(fmt::format("'{}' object is not iterable", type_name(value)));
  Sequence& sequence = *std::get<SequencePointer>(value);
  meter.spend_items(sequence.items.size() - sequence.taken);
  if (!sequence.is_iterator()) return sequence.items;
  items.assign(sequence.items.begin() + static_cast<std::ptrdiff_t>(sequence.taken), sequence.items.end());
  sequence.taken = sequence.items.size();
  return items;
}

}  // namespace temper::jinja
