#include "data/jinja/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace temper::jinja {
namespace {

/// Values that nest deeper are refused: comparing and writing them recurses once per level.
constexpr int kDeepestValue = 200;

int depth_of(const Value& value) {
  if (const auto* sequence = std::get_if<SequencePointer>(&value)) return (*sequence)->depth;
  if (const auto* dict = std::get_if<DictPointer>(&value)) return (*dict)->depth;
  return 0;
}

int checked_depth(int depth) {
  if (depth > kDeepestValue) throw limit_error(fmt::format("values nest more than {} levels deep", kDeepestValue));
  return depth;
}

}  // namespace

Value make_text(Text text) { return std::make_shared<const Text>(std::move(text)); }
Value make_text(std::string_view bytes, bool from_data) { return make_text(Text(std::string(bytes), from_data)); }

Value make_undefined(std::string message, bool is_forbidden) {
  return std::make_shared<const Undefined>(Undefined{std::move(message), is_forbidden});
}

Value make_sequence(SequenceKind kind, std::vector<Value> items) {
  int depth = 0;
  for (const Value& item : items) depth = std::max(depth, depth_of(item));
  const auto sequence = std::make_shared<Sequence>();
  sequence->kind = kind;
  sequence->depth = checked_depth(depth + 1);
  sequence->items = std::move(items);
  return sequence;
}

Value make_dict(std::vector<std::pair<Value, Value>> entries) {
  const auto dict = std::make_shared<Dict>();
  for (auto& [key, value] : entries) dict->set(key, std::move(value));
  return dict;
}

const Value* Dict::find(const Value& key) const {
  if (is_text(key)) return find(text_of(key).bytes());
  for (const auto& [known, value] : entries)
    if (equal(known, key)) return &value;
  return nullptr;
}

const Value* Dict::find(std::string_view key) const {
  for (const auto& [known, value] : entries)
    if (is_text(known) && text_of(known).bytes() == key) return &value;
  return nullptr;
}

void Dict::set(const Value& key, Value value) {
  if (is_list(key) || is_dict(key)) throw type_error(fmt::format("unhashable type: '{}'", type_name(key)));
  depth = checked_depth(std::max({depth, depth_of(value) + 1, depth_of(key) + 1}));
  for (auto& [known, old] : entries) {
    if (equal(known, key)) {
      old = std::move(value);
      return;
    }
  }
  entries.emplace_back(key, std::move(value));
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

namespace {

/// Values that share parts may hold far more than was ever made.
constexpr std::int64_t kMostCompared = 2'000'000;

bool equal_within(const Value& a, const Value& b, std::int64_t& left) {
  if (--left < 0) throw limit_error("the template compares values that hold too much");
  if (is_undefined(a) || is_undefined(b)) return is_undefined(a) && is_undefined(b);
  if (is_number(a) && is_number(b)) {
    if (is_integral(a) && is_integral(b)) return integral_of(a) == integral_of(b);
    return real_of(a) == real_of(b);
  }
  if (a.index() != b.index()) return false;
  if (is_none(a)) return true;
  if (is_text(a)) return text_of(a).bytes() == text_of(b).bytes();
  if (is_sequence(a)) {
    const SequencePointer& x = std::get<SequencePointer>(a);
    const SequencePointer& y = std::get<SequencePointer>(b);
    if (x == y) return true;
    if (x->kind != y->kind || x->is_iterator() || x->kind == SequenceKind::values) return false;
    return std::equal(x->items.begin(), x->items.end(), y->items.begin(), y->items.end(),
                      [&](const Value& one, const Value& other) { return equal_within(one, other, left); });
  }
  if (is_dict(a)) {
    const Dict& x = *std::get<DictPointer>(a);
    const Dict& y = *std::get<DictPointer>(b);
    if (&x == &y) return true;
    if (x.entries.size() != y.entries.size()) return false;
    return std::all_of(x.entries.begin(), x.entries.end(), [&](const auto& entry) {
      const Value* other = y.find(entry.first);
      return other != nullptr && equal_within(entry.second, *other, left);
    });
  }
  return std::get<ObjectPointer>(a) == std::get<ObjectPointer>(b);
}

}  // namespace

bool equal(const Value& a, const Value& b) {
  std::int64_t left = kMostCompared;
  return equal_within(a, b, left);
}

bool less(const Value& a, const Value& b, const char* sign) {
  require_defined(a);
  require_defined(b);
  if (is_number(a) && is_number(b)) {
    if (is_integral(a) && is_integral(b)) return integral_of(a) < integral_of(b);
    return real_of(a) < real_of(b);
  }
  if (is_text(a) && is_text(b)) return text_of(a).bytes() < text_of(b).bytes();
  if ((is_list(a) && is_list(b)) || (is_tuple(a) && is_tuple(b))) {
    const std::vector<Value>& x = std::get<SequencePointer>(a)->items;
    const std::vector<Value>& y = std::get<SequencePointer>(b)->items;
    for (std::size_t i = 0; i < std::min(x.size(), y.size()); ++i)
      if (!equal(x[i], y[i])) return less(x[i], y[i], sign);
    return x.size() < y.size();
  }
  throw type_error(
      fmt::format("'{}' not supported between instances of '{}' and '{}'", sign, type_name(a), type_name(b)));
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

Text joined(const std::vector<Value>& items, const char* open, const char* close, bool is_tuple_of_one) {
  Text written{std::string(open)};
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) written.append(", ", false);
    written.append(representation(items[i]));
  }
  if (is_tuple_of_one) written.append(",", false);
  written.append(close, false);
  return written;
}

Text representation_of_dict(const Dict& dict) {
  Text written("{");
  bool first = true;
  for (const auto& [key, value] : dict.entries) {
    if (!first) written.append(", ", false);
    first = false;
    written.append(representation(key));
    written.append(": ", false);
    written.append(representation(value));
  }
  written.append("}", false);
  return written;
}

}  // namespace

Text representation(const Value& value) {
  if (is_undefined(value)) return Text("Undefined");
  if (is_text(value)) {
    const Text quoted = representation(text_of(value));
    if (!text_of(value).is_markup) return quoted;
    Text markup("Markup(");
    markup.append(quoted);
    markup.append(")", false);
    return markup;
  }
  if (is_dict(value)) return representation_of_dict(*std::get<DictPointer>(value));
  if (is_sequence(value)) {
    const Sequence& sequence = *std::get<SequencePointer>(value);
    switch (sequence.kind) {
      case SequenceKind::list:
        return joined(sequence.items, "[", "]", false);
      case SequenceKind::tuple:
        return joined(sequence.items, "(", ")", sequence.items.size() == 1);
      case SequenceKind::range:
        return Text(sequence.written);
      case SequenceKind::keys:
        return joined(sequence.items, "dict_keys([", "])", false);
      case SequenceKind::values:
        return joined(sequence.items, "dict_values([", "])", false);
      case SequenceKind::items:
        return joined(sequence.items, "dict_items([", "])", false);
      case SequenceKind::generator:
      case SequenceKind::reversed:
        throw type_error("what map, select and their like give cannot be written out; put | list or | join behind it");
    }
  }
  return string_of(value);
}

Text string_of(const Value& value) {
  if (is_undefined(value)) return {};
  if (is_none(value)) return Text("None");
  if (const auto* boolean = std::get_if<bool>(&value)) return Text(*boolean ? "True" : "False");
  if (const auto* integer = std::get_if<Integer>(&value)) return Text(integer_digits(*integer));
  if (const auto* real = std::get_if<double>(&value)) return Text(real_digits(*real));
  if (is_text(value)) return text_of(value);
  if (const auto* object = std::get_if<ObjectPointer>(&value)) return Text((*object)->written());
  return representation(value);
}

std::size_t length_of(const Value& value) {
  if (is_undefined(value)) {
    if (undefined_of(value).is_forbidden) fail_undefined(value);
    return 0;
  }
  if (is_text(value)) return count_characters(text_of(value).bytes());
  if (is_dict(value)) return std::get<DictPointer>(value)->entries.size();
  if (is_sequence(value) && !std::get<SequencePointer>(value)->is_iterator())
    return std::get<SequencePointer>(value)->items.size();
  throw type_error(fmt::format("object of type '{}' has no len()", type_name(value)));
}

bool is_iterable(const Value& value) {
  return is_undefined(value) || is_text(value) || is_dict(value) || is_sequence(value);
}

std::vector<Value> iterate(const Value& value) {
  if (is_undefined(value)) {
    if (undefined_of(value).is_forbidden) fail_undefined(value);
    return {};
  }
  std::vector<Value> items;
  if (is_text(value)) {
    const Text& text = text_of(value);
    const std::vector<std::size_t> starts = character_starts(text.bytes());
    items.reserve(starts.size());
    for (std::size_t i = 0; i + 1 < starts.size(); ++i)
      items.push_back(make_text(text.slice(starts[i], starts[i + 1])));
    return items;
  }
  if (is_dict(value)) {
    for (const auto& [key, entry] : std::get<DictPointer>(value)->entries) items.push_back(key);
    return items;
  }
  if (!is_sequence(value)) throw type_error(fmt::format("'{}' object is not iterable", type_name(value)));
  Sequence& sequence = *std::get<SequencePointer>(value);
  if (!sequence.is_iterator()) return sequence.items;
  items.assign(sequence.items.begin() + static_cast<std::ptrdiff_t>(sequence.taken), sequence.items.end());
  sequence.taken = sequence.items.size();
  return items;
}

}  // namespace temper::jinja
