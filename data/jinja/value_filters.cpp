// Filters of numbers and of values of any kind.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "data/jinja/filters.h"
#include "data/jinja/json_text.h"
#include "data/jinja/operators.h"

namespace temper::jinja {
namespace {

Value default_filter(Machine& /*machine*/, const Value& value, const Arguments& arguments) {
  const BoundArguments bound("default", arguments, {"default_value", "boolean"});
  const bool absent = is_undefined(value) || (bound.flag(1, false) && !truth(value));
  return absent ? bound.get(0, make_text("")) : value;
}

Value length_filter(Machine& machine, const Value& value, const Arguments& arguments) {
  const BoundArguments bound("length", arguments, {});
  return make_integer(static_cast<Integer>(length_of(machine, value)));
}

Value json_filter(Machine& machine, const Value& value, const Arguments& arguments) {
  const BoundArguments bound("tojson", arguments, {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ascii = bound.flag(0, false);
  style.sorted = bound.flag(3, false);
  const Value indent = bound.get(1, None{});
  if (!is_none(indent)) {
    if (is_text(indent)) {
      style.indent = text_of(indent).bytes();
    } else {
      constexpr std::int64_t kWidestIndent = 1000;
      const std::int64_t width = std::max<std::int64_t>(bound.integer(1, 0), 0);
      if (width > kWidestIndent)
        throw value_error(fmt::format("an indent of {} is wider than {}", width, kWidestIndent));
      style.indent = std::string(static_cast<std::size_t>(width), ' ');
    }
    style.item_separator = ",";
  }
  const Value separators = bound.get(2, None{});
  if (!is_none(separators)) {
    const std::vector<Value> both = iterate(machine, separators);
    if (both.size() != 2)
      throw value_error(fmt::format("not enough values to unpack (expected 2, got {})", both.size()));
    style.item_separator = string_of(machine, both[0]).bytes();
    style.key_separator = string_of(machine, both[1]).bytes();
  }
  return make_text(json_text(machine, value, style));
}

/// The number that Python's float() reads, without what it takes off the ends.
std::optional<double> parse_real(std::string text) {
  const Text stripped = strip(Text(std::move(text)), nullptr, true, true);
  std::string digits = stripped.bytes();
  for (std::size_t i = 0; i < digits.size(); ++i)
    if (digits[i] == '_' &&
        (i == 0 || i + 1 == digits.size() || std::isdigit(static_cast<unsigned char>(digits[i - 1])) == 0 ||
         std::isdigit(static_cast<unsigned char>(digits[i + 1])) == 0))
      return std::nullopt;
  std::erase(digits, '_');
  if (digits.empty() || digits.find_first_of("xXpP") != std::string::npos || digits.find('(') != std::string::npos)
    return std::nullopt;
  char* end = nullptr;
  const double value = std::strtod(digits.c_str(), &end);
  if (end != digits.c_str() + digits.size() || std::isspace(static_cast<unsigned char>(digits.front())) != 0)
    return std::nullopt;
  return value;
}

std::optional<Integer> parse_integer(std::string text, std::int64_t base) {
  const Text stripped = strip(Text(std::move(text)), nullptr, true, true);
  std::string_view digits = stripped.bytes();
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.remove_prefix(1);
  if (digits.size() > 2 && digits[0] == '0') {
    const char letter = static_cast<char>(digits[1] | 0x20);
    const std::int64_t named = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
    if (named != 0 && (base == named || base == 0)) {
      base = named;
      digits.remove_prefix(2);
      if (digits.starts_with('_')) digits.remove_prefix(1);
    }
  }
  if (base == 0) base = 10;
  if (base < 2 || base > 36) throw value_error("int() base must be >= 2 and <= 36, or 0");
  if (digits.empty()) return std::nullopt;
  Integer value = 0;
  bool behind_digit = false;
  for (const char c : digits) {
    if (c == '_' && behind_digit) {
      behind_digit = false;
      continue;
    }
    const char letter = static_cast<char>(c | 0x20);
    const int digit = c >= '0' && c <= '9' ? c - '0' : letter >= 'a' && letter <= 'z' ? letter - 'a' + 10 : 99;
    if (digit >= base) return std::nullopt;
    if (value > (Integer{1} << 120)) throw limit_error("the template computes an integer of more than 36 digits");
    value = value * base + digit;
    behind_digit = true;
  }
  if (!behind_digit) return std::nullopt;
  return negative ? -value : value;
}

std::optional<Integer> whole_of(double real) {
  if (!std::isfinite(real)) return std::nullopt;
  if (std::abs(real) > 1e37) throw limit_error("the template computes an integer of more than 37 digits");
  return static_cast<Integer>(real);
}

Value int_filter(Machine& machine, const Value& value, const Arguments& arguments) {
  const BoundArguments bound("int", arguments, {"default", "base"});
  require_defined(value);
  const Value absent = bound.get(0, make_integer(0));
  if (is_text(value)) {
    machine.spend_text(16 * text_of(value).size());
    if (const auto whole = parse_integer(text_of(value).bytes(), bound.integer(1, 10))) return make_integer(*whole);
    const auto real = parse_real(text_of(value).bytes());
    if (real)
      if (const auto whole = whole_of(*real)) return make_integer(*whole);
    return absent;
  }
  if (is_integral(value)) return make_integer(integral_of(value));
  if (const auto* real = std::get_if<double>(&value)) {
    if (std::isinf(*real))
      throw TemplateError(Refusal::operation, "OverflowError", "cannot convert float infinity to integer");
    if (const auto whole = whole_of(*real)) return make_integer(*whole);
  }
  return absent;
}

Value float_filter(Machine& machine, const Value& value, const Arguments& arguments) {
  const BoundArguments bound("float", arguments, {"default"});
  require_defined(value);
  if (is_number(value)) return real_of(value);
  if (is_text(value)) {
    machine.spend_text(16 * text_of(value).size());
    if (const auto real = parse_real(text_of(value).bytes())) return *real;
  }
  return bound.get(0, Value(0.0));
}

Value abs_filter(Machine& /*machine*/, const Value& value, const Arguments& arguments) {
  const BoundArguments bound("abs", arguments, {});
  require_defined(value);
  if (is_integral(value)) return negated(value, integral_of(value) < 0);
  if (const auto* real = std::get_if<double>(&value)) return std::abs(*real);
  throw type_error(fmt::format("bad operand type for abs(): '{}'", type_name(value)));
}

/// Python's round(): half to even, of the value as it is exactly.
Value rounded(const Value& value, std::int64_t precision) {
  if (is_integral(value)) {
    Integer whole = integral_of(value);
    if (precision >= 0) return make_integer(whole);
    constexpr std::int64_t kMostZeros = 38;  // the half of a greater unit has more than 127 bits
    if (-precision > kMostZeros) return make_integer(0);
    Integer unit = 1;
    for (std::int64_t i = 0; i < -precision; ++i) unit *= 10;
    // What is cut off has the sign of the number, so that nothing leaves the range before it must.
    const Integer rest = whole % unit;
    const Integer left_over = rest < 0 ? -rest : rest;
    whole -= rest;
    const bool away = left_over > unit - left_over || (left_over == unit - left_over && (whole / unit) % 2 != 0);
    return make_integer(away ? checked_add(whole, rest < 0 ? -unit : unit) : whole);
  }
  const double real = std::get<double>(value);
  if (!std::isfinite(real)) return real;
  if (precision >= 0) {
    if (precision > 330) return real;
    char buffer[800];
    std::snprintf(buffer, sizeof(buffer), "%.*f", static_cast<int>(precision), real);
    return std::strtod(buffer, nullptr);
  }
  const double unit = std::pow(10.0, static_cast<double>(std::min<std::int64_t>(-precision, 400)));
  return std::isinf(unit) ? 0.0 * real : std::nearbyint(real / unit) * unit;
}

Value round_filter(Machine& machine, const Value& value, const Arguments& arguments) {
  const BoundArguments bound("round", arguments, {"precision", "method"});
  const std::string method = string_of(machine, bound.get(1, make_text("common"))).bytes();
  if (method != "common" && method != "ceil" && method != "floor")
    throw filter_argument_error("method must be common, ceil or floor");
  require_defined(value);
  if (!is_number(value)) throw type_error(fmt::format("type {} doesn't define __round__ method", type_name(value)));
  const std::int64_t precision = bound.integer(0, 0);
  if (method == "common") return rounded(value, precision);
  const double unit = std::pow(10.0, static_cast<double>(precision));
  const double scaled = real_of(value) * unit;
  return (method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / unit;
}

Value attr_filter(Machine& machine, const Value& value, const Arguments& arguments) {
  const BoundArguments bound("attr", arguments, {"name"});
  const std::string name = string_of(machine, bound.require(0)).bytes();
  // Unlike value.name, it takes no element of a dictionary.
  if (is_dict(value) && dict_method(name) == nullptr && !is_changing_method(value, name))
    return make_undefined(fmt::format("'dict object' has no attribute {}", representation(Text(name)).bytes()));
  return machine.attribute(value, name);
}

}  // namespace

Filter value_filter(std::string_view name) {
  static constexpr std::pair<std::string_view, Filter> kFilters[] = {
      {"default", default_filter}, {"d", default_filter}, {"length", length_filter}, {"count", length_filter},
      {"tojson", json_filter},     {"int", int_filter},   {"float", float_filter},   {"abs", abs_filter},
      {"round", round_filter},     {"attr", attr_filter},
  };
  for (const auto& [known, filter] : kFilters)
    if (known == name) return filter;
  return nullptr;
}

Filter find_filter(std::string_view name) {
  for (Filter (*const family)(std::string_view) : {value_filter, sequence_filter, text_filter})
    if (Filter filter = family(name)) return filter;
  return nullptr;
}

Value Machine::filter(const std::string& name, const Value& value, const Arguments& arguments) {
  spend(1);
  const Filter found = find_filter(name);
  if (found == nullptr)
    throw TemplateError(Refusal::not_template, "TemplateRuntimeError", fmt::format("No filter named '{}'.", name));
  return found(*this, value, arguments);
}

}  // namespace temper::jinja
