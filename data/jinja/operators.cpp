#include "data/jinja/operators.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "data/jinja/percent_format.h"
#include "data/jinja/text_cutting.h"

namespace temper::jinja {
namespace {

constexpr std::size_t kMostItems = std::size_t{1} << 20;

TemplateError zero_division(const char* message) { return {Refusal::operation, "ZeroDivisionError", message}; }

TemplateError too_large() { return limit_error("the template computes an integer of more than 127 bits"); }

TemplateError no_operation(std::string_view sign, const Value& a, const Value& b) {
  return type_error(fmt::format("unsupported operand type(s) for {}: '{}' and '{}'",
                                sign == "**" ? "** or pow()" : sign, type_name(a), type_name(b)));
}

Integer checked_subtract(Integer a, Integer b) {
  Integer difference = 0;
  if (__builtin_sub_overflow(a, b, &difference)) throw too_large();
  return difference;
}

Integer checked_multiply(Integer a, Integer b) {
  // The builtin needs a function that not every run-time library has.
  if (a == 0 || b == 0) return 0;
  __extension__ using Magnitude = unsigned __int128;
  const auto magnitude = [](Integer value) {
    return value < 0 ? Magnitude{0} - static_cast<Magnitude>(value) : static_cast<Magnitude>(value);
  };
  const bool negative = (a < 0) != (b < 0);
  const Magnitude most = (Magnitude{1} << 127) - (negative ? 0 : 1);
  if (magnitude(a) > most / magnitude(b)) throw too_large();
  return static_cast<Integer>(static_cast<Magnitude>(a) * static_cast<Magnitude>(b));
}

/// b is not 0.
Integer floor_quotient(Integer a, Integer b) {
  // The one quotient that does not fit, whose remainder processors refuse to compute as well.
  if (b == -1) return checked_subtract(0, a);
  const Integer quotient = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

Value add_texts(Machine& machine, const Value& a, const Value& b) {
  const Text& left = text_of(a);
  const Text& right = text_of(b);
  machine.spend_text(left.size() + right.size());
  Text sum = left.is_markup || !right.is_markup ? left : escaped(left);
  sum.append(left.is_markup && !right.is_markup ? escaped(right) : right);
  sum.is_markup = left.is_markup || right.is_markup;
  return make_text(std::move(sum));
}

Value add(Machine& machine, const Value& a, const Value& b) {
  if (is_text(a)) {
    if (is_text(b)) return add_texts(machine, a, b);
    throw type_error(fmt::format("can only concatenate str (not \"{}\") to str", type_name(b)));
  }
  if (is_list(a) || is_tuple(a)) {
    const bool list = is_list(a);
    if (list ? !is_list(b) : !is_tuple(b))
      throw type_error(
          fmt::format("can only concatenate {} (not \"{}\") to {}", type_name(a), type_name(b), type_name(a)));
    std::vector<Value> items = std::get<SequencePointer>(a)->items;
    const std::vector<Value>& more = std::get<SequencePointer>(b)->items;
    machine.spend_items(items.size() + more.size());
    if (items.size() + more.size() > kMostItems)
      throw limit_error("the template makes a list of more than a million elements");
    items.insert(items.end(), more.begin(), more.end());
    return list ? make_list(std::move(items)) : make_tuple(std::move(items));
  }
  throw no_operation("+", a, b);
}

Value repeated(Machine& machine, const Value& value, Integer times) {
  const std::size_t count = times <= 0 ? 0 : static_cast<std::size_t>(std::min<Integer>(times, 1 << 30));
  if (is_text(value)) {
    const Text& text = text_of(value);
    if (text.size() * count > kLongestText) throw limit_error("the template makes a text that is too long");
    Text all;
    all.is_markup = text.is_markup;
    machine.spend_text(text.size() * count);
    machine.spend(text.empty() ? 0 : static_cast<std::int64_t>(count / 16));
    for (std::size_t i = 0; i < count && !text.empty(); ++i) all.append(text);
    return make_text(std::move(all));
  }
  const Sequence& sequence = *std::get<SequencePointer>(value);
  if (sequence.items.size() * count > kMostItems)
    throw limit_error("the template makes a list of more than a million elements");
  machine.spend_items(sequence.items.size() * count);
  std::vector<Value> items;
  for (std::size_t i = 0; i < count && !sequence.items.empty(); ++i)
    items.insert(items.end(), sequence.items.begin(), sequence.items.end());
  return make_sequence(sequence.kind, std::move(items));
}

Value power(const Value& a, const Value& b) {
  if (is_integral(a) && is_integral(b) && integral_of(b) >= 0) {
    Integer result = 1;
    Integer base = integral_of(a);
    if (base == 0 || base == 1) return make_integer(integral_of(b) == 0 ? Integer{1} : base);
    if (base == -1) return make_integer(integral_of(b) % 2 == 0 ? Integer{1} : Integer{-1});
    for (Integer i = 0; i < integral_of(b); ++i) result = checked_multiply(result, base);
    return make_integer(result);
  }
  const double base = real_of(a);
  const double exponent = real_of(b);
  if (base == 0.0 && exponent < 0.0) throw zero_division("0.0 cannot be raised to a negative power");
  if (base < 0.0 && std::floor(exponent) != exponent)
    throw type_error("a negative number raised to a fraction is a complex number, which templates do not have here");
  const double result = std::pow(base, exponent);
  if (std::isinf(result) && !std::isinf(base) && !std::isinf(exponent))
    throw TemplateError(Refusal::operation, "OverflowError", "(34, 'Numerical result out of range')");
  return result;
}

Value integer_arithmetic(std::string_view sign, Integer a, Integer b) {
  if (sign == "+") return make_integer(checked_add(a, b));
  if (sign == "-") return make_integer(checked_subtract(a, b));
  if (sign == "*") return make_integer(checked_multiply(a, b));
  if (sign == "/") {
    if (b == 0) throw zero_division("division by zero");
    return static_cast<double>(a) / static_cast<double>(b);
  }
  if (b == 0) throw zero_division(sign == "//" ? "integer division or modulo by zero" : "integer modulo by zero");
  if (sign == "//") return make_integer(floor_quotient(a, b));
  if (b == -1) return make_integer(0);
  // Not a - quotient * b: that product may lie below what 128 bits hold.
  const Integer rest = a % b;
  return make_integer(rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest);
}

Value real_arithmetic(std::string_view sign, double a, double b) {
  if (sign == "+") return a + b;
  if (sign == "-") return a - b;
  if (sign == "*") return a * b;
  if (b == 0.0)
    throw zero_division(sign == "/"    ? "float division by zero"
                        : sign == "//" ? "float floor division by zero"
                                       : "float modulo");
  if (sign == "/") return a / b;
  double remainder = std::fmod(a, b);
  if (remainder != 0.0 && (remainder < 0.0) != (b < 0.0)) remainder += b;
  if (sign == "%") return remainder == 0.0 ? std::copysign(0.0, b) : remainder;
  const double quotient = (a - remainder) / b;
  if (quotient == 0.0) return std::copysign(0.0, a / b);
  const double whole = std::floor(quotient);
  return quotient - whole > 0.5 ? whole + 1.0 : whole;
}

}  // namespace

Value arithmetic(Machine& machine, std::string_view sign, const Value& a, const Value& b) {
  if (sign == "%" && is_text(a)) return make_text(percent_format(machine, text_of(a), b));
  require_defined(a);
  require_defined(b);
  if (is_number(a) && is_number(b)) {
    if (sign == "**") return power(a, b);
    if (is_integral(a) && is_integral(b)) return integer_arithmetic(sign, integral_of(a), integral_of(b));
    return real_arithmetic(sign, real_of(a), real_of(b));
  }
  if (sign == "+") return add(machine, a, b);
  if (sign == "*") {
    const auto repeats = [](const Value& value) { return is_text(value) || is_list(value) || is_tuple(value); };
    if (repeats(a) && is_integral(b)) return repeated(machine, a, integral_of(b));
    if (repeats(b) && is_integral(a)) return repeated(machine, b, integral_of(a));
    if (repeats(a)) throw type_error(fmt::format("can't multiply sequence by non-int of type '{}'", type_name(b)));
    if (repeats(b)) throw type_error(fmt::format("can't multiply sequence by non-int of type '{}'", type_name(a)));
  }
  throw no_operation(sign, a, b);
}

Value negated(const Value& value, bool negates) {
  require_defined(value);
  if (is_integral(value)) return make_integer(negates ? checked_subtract(0, integral_of(value)) : integral_of(value));
  if (const auto* real = std::get_if<double>(&value)) return negates ? -*real : *real;
  throw type_error(fmt::format("bad operand type for unary {}: '{}'", negates ? "-" : "+", type_name(value)));
}

Integer checked_add(Integer a, Integer b) {
  Integer sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) throw too_large();
  return sum;
}

bool contains(Meter& meter, const Value& container, const Value& value) {
  if (is_text(container)) {
    if (!is_text(value)) {
      require_defined(value);
      throw type_error(fmt::format("'in <string>' requires string as left operand, not {}", type_name(value)));
    }
    return find_part(meter, text_of(container).bytes(), text_of(value).bytes()) != std::string::npos;
  }
  if (is_dict(container)) {
    require_hashable(meter, value);
    return std::get<DictPointer>(container)->find(meter, value) != nullptr;
  }
  if (!is_iterable(container))
    throw type_error(fmt::format("argument of type '{}' is not iterable", type_name(container)));
  const std::vector<Value> items = iterate(meter, container);
  return std::any_of(items.begin(), items.end(), [&](const Value& item) { return equal(meter, item, value); });
}

bool compares(Meter& meter, std::string_view sign, const Value& a, const Value& b) {
  if (sign == "==") return equal(meter, a, b);
  if (sign == "!=") return !equal(meter, a, b);
  if (sign == "in") return contains(meter, b, a);
  if (sign == "not in") return !contains(meter, b, a);
  if (sign == "<") return less(meter, a, b, "<");
  if (sign == ">") {
    if (is_number(a) && is_number(b)) return less(meter, b, a);
    // The order of the names in the message is that of the operands.
    if (type_name(a) == type_name(b)) return less(meter, b, a, ">");
    require_defined(a);
    require_defined(b);
    throw type_error(fmt::format("'>' not supported between instances of '{}' and '{}'", type_name(a), type_name(b)));
  }
  if (sign == "<=") return less(meter, a, b, "<=") || equal(meter, a, b);
  if (is_number(a) && is_number(b)) return less(meter, b, a) || equal(meter, a, b);
  if (type_name(a) == type_name(b)) return less(meter, b, a, ">=") || equal(meter, a, b);
  require_defined(a);
  require_defined(b);
  throw type_error(fmt::format("'>=' not supported between instances of '{}' and '{}'", type_name(a), type_name(b)));
}

SliceIndices slice_indices(std::int64_t length, const Value& begin, const Value& end, const Value& step) {
  const auto number = [](const Value& value, std::int64_t absent) {
    if (is_none(value)) return absent;
    const Integer integer = integral_of(value);
    constexpr std::int64_t kFar = std::int64_t{1} << 60;
    return static_cast<std::int64_t>(std::clamp<Integer>(integer, -kFar, kFar));
  };
  SliceIndices indices;
  indices.step = number(step, 1);
  if (indices.step == 0) throw value_error("slice step cannot be zero");
  const bool forward = indices.step > 0;
  const auto clamped = [&](std::int64_t place) {
    if (place < 0) place += length;
    return forward ? std::clamp<std::int64_t>(place, 0, length) : std::clamp<std::int64_t>(place, -1, length - 1);
  };
  indices.begin = is_none(begin) ? (forward ? 0 : length - 1) : clamped(number(begin, 0));
  const std::int64_t stop = is_none(end) ? (forward ? length : -1) : clamped(number(end, 0));
  const std::int64_t distance = forward ? stop - indices.begin : indices.begin - stop;
  const std::int64_t stride = forward ? indices.step : -indices.step;
  indices.count = distance <= 0 ? 0 : (distance - 1) / stride + 1;
  return indices;
}

Text escaped(const Text& text) {
  Text safe;
  for (const Text::Run& run : text.runs()) {
    std::string bytes;
    for (const char c : run.bytes) {
      switch (c) {
        case '&':
          bytes += "&amp;";
          break;
        case '<':
          bytes += "&lt;";
          break;
        case '>':
          bytes += "&gt;";
          break;
        case '\'':
          bytes += "&#39;";
          break;
        case '"':
          bytes += "&#34;";
          break;
        default:
          bytes += c;
      }
    }
    safe.append(bytes, run.from_data);
  }
  safe.is_markup = true;
  return safe;
}

}  // namespace temper::jinja
