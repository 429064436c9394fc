#include "data/jinja/percent_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>

namespace temper::jinja {
namespace {

constexpr std::int64_t kWidestField = 10'000;

std::int64_t checked_width(Integer width) {
  if (width > kWidestField || width < -kWidestField)
    throw limit_error(fmt::format("a field of more than {} characters was asked for", kWidestField));
  return static_cast<std::int64_t>(width);
}

Text padded(Meter& meter, Text text, std::int64_t width, const std::string& fill, char align) {
  meter.spend_text(text.size() + 4 * static_cast<std::size_t>(std::max<std::int64_t>(width, 0)));
  const auto length = static_cast<std::int64_t>(count_characters(text.bytes()));
  if (length >= width) return text;
  const std::int64_t room = width - length;
  const std::int64_t before = align == '<' ? 0 : align == '^' ? room / 2 : room;
  Text all;
  for (std::int64_t i = 0; i < before; ++i) all.append(fill, false);
  all.append(text);
  for (std::int64_t i = before; i < room; ++i) all.append(fill, false);
  return all;
}

std::string printed(char conversion, int precision, double value, bool alternate) {
  const std::string pattern = std::string("%") + (alternate ? "#" : "") + ".*" + conversion;
  const int size = std::snprintf(nullptr, 0, pattern.c_str(), precision, value);
  std::string text(static_cast<std::size_t>(std::max(size, 0)), '\0');
  std::snprintf(text.data(), text.size() + 1, pattern.c_str(), precision, value);
  return text;
}

/// Without a sign.
std::string digits_in_base(Integer value, unsigned base, bool upper) {
  if (value == 0) return "0";
  __extension__ using Magnitude = unsigned __int128;
  // -2^127 has no opposite among the integers, but its magnitude is one without a sign.
  Magnitude left = value < 0 ? Magnitude{0} - static_cast<Magnitude>(value) : static_cast<Magnitude>(value);
  std::string digits;
  for (; left != 0; left /= base) {
    const int digit = static_cast<int>(left % base);
    digits += static_cast<char>(digit < 10 ? '0' + digit : (upper ? 'A' : 'a') + digit - 10);
  }
  std::reverse(digits.begin(), digits.end());
  return digits;
}

/// A field of a pattern, once it has been read.
struct Field {
  bool left = false;
  bool plus = false;
  bool blank = false;
  bool zero = false;
  bool alternate = false;
  std::int64_t width = 0;
  std::int64_t precision = -1;
};

std::string number_with_sign(bool negative, const std::string& digits, const Field& field) {
  std::string text = negative ? "-" : field.plus ? "+" : field.blank ? " " : "";
  if (field.zero && !field.left) {
    const auto length = static_cast<std::int64_t>(text.size() + digits.size());
    if (length < field.width) text += std::string(static_cast<std::size_t>(field.width - length), '0');
  }
  return text + digits;
}

class PercentPattern {
 public:
  PercentPattern(Machine& machine, const Text& pattern, const Value& values)
      : machine_(machine), pattern_(pattern), bytes_(pattern.bytes()), values_(values), is_tuple_(is_tuple(values)) {}

  Text text() {
    while (position_ < bytes_.size()) {
      const std::size_t begin = position_;
      const std::size_t percent = std::min(bytes_.find('%', position_), bytes_.size());
      out_.append(pattern_.slice(position_, percent));
      position_ = percent;
      machine_.spend_text(32 + position_ - begin);
      if (position_ < bytes_.size()) put_field();
    }
    const bool all_used = is_tuple_ ? next_ >= std::get<SequencePointer>(values_)->items.size()
                                    : used_ || is_dict(values_) || is_list(values_);
    if (!all_used) throw type_error("not all arguments converted during string formatting");
    return std::move(out_);
  }

 private:
  char take() {
    if (position_ >= bytes_.size()) throw value_error("incomplete format");
    return bytes_[position_++];
  }

  Value next_value() {
    if (is_tuple_) {
      const std::vector<Value>& items = std::get<SequencePointer>(values_)->items;
      if (next_ >= items.size()) throw type_error("not enough arguments for format string");
      return items[next_++];
    }
    if (used_) throw type_error("not enough arguments for format string");
    used_ = true;
    return values_;
  }

  std::int64_t take_number() {
    if (position_ < bytes_.size() && bytes_[position_] == '*') {
      ++position_;
      const Value value = next_value();
      if (!is_integral(value)) throw type_error("* wants int");
      return checked_width(integral_of(value));
    }
    Integer number = 0;
    while (position_ < bytes_.size() && bytes_[position_] >= '0' && bytes_[position_] <= '9') {
      number = number * 10 + (bytes_[position_++] - '0');
      checked_width(number);
    }
    return static_cast<std::int64_t>(number);
  }

  void put_field() {
    take();
    Field field;
    std::optional<Value> named;
    if (position_ < bytes_.size() && bytes_[position_] == '(') named = value_of_name();
    for (bool flags = true; flags && position_ < bytes_.size();) {
      switch (bytes_[position_]) {
        case '-':
          field.left = true;
          break;
        case '+':
          field.plus = true;
          break;
        case ' ':
          field.blank = true;
          break;
        case '0':
          field.zero = true;
          break;
        case '#':
          field.alternate = true;
          break;
        default:
          flags = false;
      }
      if (flags) ++position_;
    }
    field.width = take_number();
    if (field.width < 0) {
      field.left = true;
      field.width = -field.width;
    }
    if (position_ < bytes_.size() && bytes_[position_] == '.') {
      ++position_;
      field.precision = std::max<std::int64_t>(take_number(), 0);
    }
    while (position_ < bytes_.size() &&
           (bytes_[position_] == 'l' || bytes_[position_] == 'h' || bytes_[position_] == 'L'))
      ++position_;
    const char conversion = take();
    if (conversion == '%') {
      out_.append("%", false);
      return;
    }
    const Value value = named ? *named : next_value();
    out_.append(padded(machine_, converted(conversion, value, field), field.width, " ", field.left ? '<' : '>'));
  }

  Value value_of_name() {
    if (!is_dict(values_)) throw type_error("format requires a mapping");
    const std::size_t begin = ++position_;
    int open = 1;
    while (position_ < bytes_.size() && open > 0) {
      if (bytes_[position_] == '(') ++open;
      if (bytes_[position_] == ')') --open;
      ++position_;
    }
    if (open > 0) throw value_error("incomplete format key");
    const std::string name = bytes_.substr(begin, position_ - begin - 1);
    machine_.spend_text(2 * name.size());
    const Value* value = std::get<DictPointer>(values_)->find(name);
    if (value == nullptr) throw TemplateError(Refusal::operation, "KeyError", representation(Text(name)).bytes());
    used_ = true;
    return *value;
  }

  Text converted(char conversion, const Value& value, const Field& field) {
    switch (conversion) {
      case 's':
      case 'r':
      case 'a': {
        Text text = conversion == 's' ? string_of(machine_, value) : representation(machine_, value);
        if (field.precision < 0) return text;
        machine_.spend_text(8 * text.size());
        const std::vector<std::size_t> starts = character_starts(text.bytes());
        const auto most = static_cast<std::size_t>(field.precision);
        return most + 1 < starts.size() ? text.slice(0, starts[most]) : text;
      }
      case 'c':
        if (is_text(value) && count_characters(text_of(value).bytes()) == 1) return text_of(value);
        if (is_integral(value) && integral_of(value) >= 0 && integral_of(value) < 0x110000) {
          std::string character;
          append_character(static_cast<char32_t>(integral_of(value)), character);
          return Text(character);
        }
        throw type_error("%c requires int or char");
      case 'd':
      case 'i':
      case 'u':
      case 'x':
      case 'X':
      case 'o':
        return Text(integer_field(conversion, value, field));
      case 'f':
      case 'F':
      case 'e':
      case 'E':
      case 'g':
      case 'G': {
        if (!is_number(value)) {
          require_defined(value);
          throw type_error(fmt::format("must be real number, not {}", type_name(value)));
        }
        const double number = real_of(value);
        const int precision = field.precision < 0 ? 6 : static_cast<int>(field.precision);
        return Text(number_with_sign(std::signbit(number),
                                     printed(conversion, precision, std::abs(number), field.alternate), field));
      }
      default:
        throw value_error(fmt::format("unsupported format character '{}' (0x{:x}) at index {}", conversion,
                                      static_cast<unsigned>(static_cast<unsigned char>(conversion)),
                                      count_characters(std::string_view(bytes_).substr(0, position_ - 1))));
    }
  }

  static std::string integer_field(char conversion, const Value& value, const Field& field) {
    const bool is_decimal_field = conversion == 'd' || conversion == 'i' || conversion == 'u';
    if (!is_integral(value) && !(is_decimal_field && std::holds_alternative<double>(value))) {
      if (is_decimal_field)
        throw type_error(fmt::format("%{} format: a real number is required, not {}", conversion, type_name(value)));
      throw type_error(fmt::format("%{} format: an integer is required, not {}", conversion, type_name(value)));
    }
    Integer number = 0;
    if (is_integral(value)) {
      number = integral_of(value);
    } else {
      const double real = std::get<double>(value);
      if (!std::isfinite(real) || std::abs(real) > 1e37)
        throw TemplateError(Refusal::operation, "OverflowError", "cannot convert float infinity to integer");
      number = static_cast<Integer>(real);
    }
    const bool negative = number < 0;
    const unsigned base = is_decimal_field ? 10 : conversion == 'o' ? 8 : 16;
    std::string digits = negative ? integer_digits(number).substr(1) : integer_digits(number);
    if (base != 10) digits = digits_in_base(number, base, conversion == 'X');
    if (field.precision > static_cast<std::int64_t>(digits.size()))
      digits = std::string(static_cast<std::size_t>(field.precision) - digits.size(), '0') + digits;
    if (field.alternate && base != 10)
      digits = std::string(base == 8 ? "0o" : conversion == 'X' ? "0X" : "0x") + digits;
    return number_with_sign(negative, digits, field);
  }

  Machine& machine_;
  const Text& pattern_;
  const std::string& bytes_;
  const Value& values_;
  bool is_tuple_;
  bool used_ = false;
  std::size_t next_ = 0;
  std::size_t position_ = 0;
  Text out_;
};

// ---- "{...}".format

std::string with_thousands(const std::string& digits, char separator) {
  const std::size_t whole = std::min(digits.find_first_not_of("0123456789"), digits.size());
  std::string text;
  for (std::size_t i = 0; i < whole; ++i) {
    if (i > 0 && (whole - i) % 3 == 0) text += separator;
    text += digits[i];
  }
  return text + digits.substr(whole);
}

/// [[fill]align][sign][#][0][width][,][.precision][type]
Text formatted(Meter& meter, const Value& value, std::string_view specification) {
  require_defined(value);
  const bool number = is_number(value) && !std::holds_alternative<bool>(value);
  std::string fill = " ";
  char align = number ? '>' : '<';
  Field field;
  std::size_t at = 0;
  const auto is_align = [](char c) { return c == '<' || c == '>' || c == '^' || c == '='; };
  if (!specification.empty()) {
    const std::size_t first = character_bytes(specification.front());
    if (first < specification.size() && is_align(specification[first])) {
      fill = specification.substr(0, first);
      align = specification[first];
      at = first + 1;
    } else if (is_align(specification.front())) {
      align = specification.front();
      at = 1;
    }
  }
  const auto next = [&] { return at < specification.size() ? specification[at] : '\0'; };
  if (next() == '+' || next() == '-' || next() == ' ') {
    field.plus = next() == '+';
    field.blank = next() == ' ';
    ++at;
  }
  if (next() == '#') field.alternate = specification[at++] == '#';
  if (next() == '0') field.zero = specification[at++] == '0';
  const auto take_count = [&] {
    Integer count = 0;
    while (next() >= '0' && next() <= '9') {
      count = count * 10 + (specification[at++] - '0');
      checked_width(count);
    }
    return static_cast<std::int64_t>(count);
  };
  field.width = take_count();
  char separator = '\0';
  if (next() == ',' || next() == '_') separator = specification[at++];
  if (next() == '.') {
    ++at;
    field.precision = take_count();
  }
  const char kind = next();
  if (at + 1 < specification.size() ||
      (kind != '\0' && std::string_view("bcdeEfFgGnosxX%").find(kind) == std::string_view::npos))
    throw value_error("Invalid format specifier");
  if (!number || kind == 's') {
    Text text = string_of(meter, value);
    if (field.precision >= 0) {
      meter.spend_text(8 * text.size());
      const std::vector<std::size_t> starts = character_starts(text.bytes());
      const auto most = static_cast<std::size_t>(field.precision);
      if (most + 1 < starts.size()) text = text.slice(0, starts[most]);
    }
    return padded(meter, std::move(text), field.width, fill, align);
  }
  const bool integral = is_integral(value) && (kind == '\0' || kind == 'd' || kind == 'x' || kind == 'X' ||
                                               kind == 'o' || kind == 'b' || kind == 'n');
  std::string digits;
  bool negative = false;
  if (integral) {
    const Integer integer = integral_of(value);
    negative = integer < 0;
    const unsigned base = kind == 'x' || kind == 'X' ? 16 : kind == 'o' ? 8 : kind == 'b' ? 2 : 10;
    digits = base == 10 ? integer_digits(integer).substr(negative ? 1 : 0) : digits_in_base(integer, base, kind == 'X');
  } else {
    double real = real_of(value);
    negative = std::signbit(real);
    real = std::abs(real);
    if (kind == '%') {
      digits = printed('f', field.precision < 0 ? 6 : static_cast<int>(field.precision), real * 100, false) + "%";
    } else if (kind == '\0' && field.precision < 0) {
      digits = real_digits(real);
    } else {
      digits = printed(kind == '\0' || kind == 'n' ? 'g' : kind,
                       field.precision < 0 ? 6 : static_cast<int>(field.precision), real, field.alternate);
    }
  }
  if (separator != '\0') digits = with_thousands(digits, separator);
  if (align == '=') field.zero = true;
  return padded(meter, Text(number_with_sign(negative, digits, field)), field.width, fill, align == '=' ? '>' : align);
}

class BracePattern {
 public:
  BracePattern(Machine& machine, const Text& pattern, const Arguments& arguments)
      : machine_(machine), pattern_(pattern), bytes_(pattern.bytes()), arguments_(arguments) {}

  Text text() {
    Text out;
    for (std::size_t at = 0; at < bytes_.size();) {
      const std::size_t brace = std::min(bytes_.find_first_of("{}", at), bytes_.size());
      out.append(pattern_.slice(at, brace));
      if (brace == bytes_.size()) break;
      if (brace + 1 < bytes_.size() && bytes_[brace + 1] == bytes_[brace]) {
        out.append(pattern_.slice(brace, brace + 1));
        at = brace + 2;
        continue;
      }
      if (bytes_[brace] == '}') throw value_error("Single '}' encountered in format string");
      const std::size_t end = bytes_.find('}', brace);
      if (end == std::string::npos) throw value_error("expected '}' before end of string");
      machine_.spend_text(16 * (end - at));
      out.append(field(std::string_view(bytes_).substr(brace + 1, end - brace - 1)));
      at = end + 1;
    }
    return out;
  }

 private:
  Text field(std::string_view inside) {
    const std::size_t colon = inside.find(':');
    const std::string_view specification = colon == std::string_view::npos ? "" : inside.substr(colon + 1);
    std::string_view name = inside.substr(0, colon);
    char conversion = '\0';
    if (const std::size_t mark = name.find('!'); mark != std::string_view::npos) {
      if (mark + 2 != name.size()) throw value_error("end of string while looking for conversion specifier");
      conversion = name[mark + 1];
      name = name.substr(0, mark);
    }
    Value value = value_of(name);
    if (conversion == 'r' || conversion == 'a') value = make_text(representation(machine_, value));
    if (conversion == 's') value = make_text(string_of(machine_, value));
    return formatted(machine_, value, specification);
  }

  Value value_of(std::string_view path) {
    const std::size_t end = std::min(path.find_first_of(".["), path.size());
    const std::string name(path.substr(0, end));
    Value value = None{};
    if (name.empty() || name.find_first_not_of("0123456789") == std::string::npos) {
      const std::size_t number = name.empty() ? next_++ : name.size() > 6 ? 999'999 : std::stoul(name);
      if (number >= arguments_.positional.size())
        throw TemplateError(Refusal::operation, "IndexError",
                            fmt::format("Replacement index {} out of range for positional args tuple", number));
      value = arguments_.positional[number];
    } else {
      machine_.spend_items(arguments_.named.size());
      const auto found = std::find_if(arguments_.named.begin(), arguments_.named.end(),
                                      [&](const auto& argument) { return argument.first == name; });
      if (found == arguments_.named.end())
        throw TemplateError(Refusal::operation, "KeyError", representation(Text(name)).bytes());
      value = found->second;
    }
    std::string_view rest = path.substr(end);
    while (!rest.empty()) {
      const bool subscript = rest.front() == '[';
      rest.remove_prefix(1);
      const std::size_t stop = std::min(rest.find_first_of(subscript ? "]" : ".["), rest.size());
      const std::string part(rest.substr(0, stop));
      rest.remove_prefix(std::min(rest.size(), stop + (subscript ? 1 : 0)));
      const bool index =
          subscript && !part.empty() && part.find_first_not_of("0123456789") == std::string::npos && part.size() < 7;
      value = subscript ? machine_.item(value, index ? make_integer(std::stol(part)) : make_text(part))
                        : machine_.attribute(value, part);
    }
    return value;
  }

  Machine& machine_;
  const Text& pattern_;
  const std::string& bytes_;
  const Arguments& arguments_;
  std::size_t next_ = 0;
};

}  // namespace

Text percent_format(Machine& machine, const Text& pattern, const Value& values) {
  return PercentPattern(machine, pattern, values).text();
}

Text brace_format(Machine& machine, const Text& pattern, const Arguments& arguments) {
  return BracePattern(machine, pattern, arguments).text();
}

}  // namespace temper::jinja
