// Oniguruma's syntax (Ruby's) to ICU's. Both are backtracking engines that try alternatives from left to right; what
// differs is spelling, and what classes hold, so every class is written out.
#include <fmt/format.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "data/tokenizer/expression.h"
#include "data/tokenizer/expression_classes.h"
#include "data/tokenizer/utf8.h"

namespace temper {
namespace {

constexpr int kDeepestGroup = 100;  // groups and classes within one another
constexpr char32_t kHighest = 0x10FFFF;

bool is_digit(char32_t c) { return c >= '0' && c <= '9'; }

int hex_value(char32_t c) {
  if (is_digit(c)) return static_cast<int>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<int>(c - 'a') + 10;
  return c >= 'A' && c <= 'F' ? static_cast<int>(c - 'A') + 10 : -1;
}

/// One character, in or outside a set.
std::string literal(char32_t c) {
  const bool plain = is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  return plain ? std::string(1, static_cast<char>(c)) : fmt::format("\\x{{{:X}}}", static_cast<std::uint32_t>(c));
}

class Translator {
 public:
  explicit Translator(std::string_view pattern) : pattern_(pattern) {
    for (std::size_t i = 0; i < pattern.size(); i += decode_utf8(pattern.data() + i).bytes)
      text_.push_back(decode_utf8(pattern.data() + i).value);
    find_names();
  }

  std::string translate() {
    std::string result = alternatives();
    if (at_ < text_.size()) refuse("a ) without (");
    return result;
  }

 private:
  struct Options {
    bool dot_matches_newline = false;
    bool extended = false;
  };

  [[noreturn]] void refuse(std::string_view what) const {
    throw Error("the regular expression \"{}\" has {} at character {}, which is not supported", pattern_, what,
                at_ + 1);
  }

  [[nodiscard]] bool at_end() const { return at_ >= text_.size(); }
  [[nodiscard]] char32_t peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : char32_t{0};
  }
  [[nodiscard]] bool looks_at(std::string_view ascii) const {
    if (text_.size() - at_ < ascii.size()) return false;
    for (std::size_t i = 0; i < ascii.size(); ++i)
      if (text_[at_ + i] != static_cast<char32_t>(ascii[i])) return false;
    return true;
  }
  bool take(std::string_view ascii) {
    if (!looks_at(ascii)) return false;
    at_ += ascii.size();
    return true;
  }
  char32_t next() {
    if (at_end()) refuse("its end too early");
    return text_[at_++];
  }
  /// What stands before `end`, which is taken too.
  std::string until(char32_t end) {
    std::string name;
    while (peek() != end) append_utf8(next(), name);
    ++at_;
    return name;
  }

  /// Where groups have names, those without one do not count.
  void find_names() {
    for (std::size_t i = 0; i + 3 < text_.size(); ++i) {
      if (text_[i] == '\\') {
        ++i;
      } else if (text_[i] == '(' && text_[i + 1] == '?' &&
                 ((text_[i + 2] == '<' && text_[i + 3] != '=' && text_[i + 3] != '!') || text_[i + 2] == '\'')) {
        has_names_ = true;
      }
    }
  }

  std::string alternatives() {
    if (++depth_ > kDeepestGroup) refuse("groups nested too deeply");
    std::string result;
    while (!at_end() && peek() != ')') {
      if (take("|")) {
        result += '|';
        continue;
      }
      if (skip_ignored()) continue;
      if (std::optional<std::string> rest = option_for_the_rest()) {
        result += *rest;
        break;
      }
      result += repeated(atom());
    }
    --depth_;
    return result;
  }

  bool skip_ignored() {
    if (take("(?#")) {
      until(')');
      return true;
    }
    if (!options_.extended) return false;
    const char32_t c = peek();
    if (c == '#') {
      while (!at_end() && peek() != '\n') ++at_;
      return true;
    }
    if (c != ' ' && !(c >= '\t' && c <= '\r')) return false;
    ++at_;
    return true;
  }

  /// Letters of (?imx-imx, up to : or ). Returns those that ICU has to know, as "i" or "-i".
  std::string read_options() {
    bool on = true;
    std::string for_icu;
    while (peek() != ':' && peek() != ')') {
      switch (next()) {
        case '-':
          on = false;
          break;
        case 'i':
          for_icu = on ? "i" : "-i";
          break;
        case 'm':
          options_.dot_matches_newline = on;
          break;
        case 'x':
          options_.extended = on;
          break;
        default:
          --at_;
          refuse("an option other than i, m and x");
      }
    }
    return for_icu;
  }

  [[nodiscard]] bool at_options() const {
    if (!looks_at("(?")) return false;
    const char32_t c = peek(2);
    return c == 'i' || c == 'm' || c == 'x' || c == '-';
  }

  /// (?i) holds up to the end of the group around it, alternatives included.
  std::optional<std::string> option_for_the_rest() {
    if (!at_options()) return std::nullopt;
    const std::size_t start = at_;
    const Options before = options_;
    at_ += 2;
    const std::string for_icu = read_options();
    if (next() == ':') {
      at_ = start;
      options_ = before;
      return std::nullopt;
    }
    const std::string rest = alternatives();
    options_ = before;
    return fmt::format("(?{}:{})", for_icu, rest);
  }

  std::string group() {
    const Options before = options_;
    std::string opening;
    if (at_options()) {
      at_ += 2;
      opening = fmt::format("(?{}:", read_options());
      ++at_;
    } else if (take("(?:")) {
      opening = "(?:";
    } else if (take("(?=")) {
      opening = "(?=";
    } else if (take("(?!")) {
      opening = "(?!";
    } else if (take("(?<=")) {
      opening = "(?<=";
    } else if (take("(?<!")) {
      opening = "(?<!";
    } else if (take("(?>")) {
      opening = "(?>";
    } else if (looks_at("(?<") || looks_at("(?'")) {
      const char32_t closing = peek(2) == '<' ? '>' : '\'';
      at_ += 3;
      names_.push_back(until(closing));
      opening = "(";
    } else if (looks_at("(?") || looks_at("(*")) {
      refuse("an unknown kind of group");
    } else {
      ++at_;
      opening = has_names_ ? "(?:" : "(";
    }
    const std::string content = alternatives();
    if (!take(")")) refuse("a ( without )");
    options_ = before;
    return opening + content + ")";
  }

  std::string atom() {
    switch (peek()) {
      case '(':
        return group();
      case '[':
        ++at_;
        return set();
      case '\\':
        return escape();
      case '.':
        ++at_;
        return options_.dot_matches_newline ? "[\\x{0}-\\x{10FFFF}]" : "[^\\x{A}]";
      case '^':
      case '$':
        return std::string(1, static_cast<char>(next()));
      case '*':
      case '+':
      case '?':
        refuse("nothing to repeat");
      default:
        return literal(next());
    }
  }

  struct Interval {
    int lowest;
    int highest;  // -1: none
  };

  /// {n}, {n,}, {,n} or {n,m}; a brace of another form is a character.
  std::optional<Interval> interval() {
    const std::size_t start = at_;
    const auto number = [&]() -> int {
      int value = -1;
      while (is_digit(peek()) && value < 100000) value = (value < 0 ? 0 : 10 * value) + static_cast<int>(next() - '0');
      return value;
    };
    if (!take("{")) return std::nullopt;
    Interval result{number(), -1};
    result.highest = result.lowest;
    if (take(",")) result.highest = number();
    if ((result.lowest < 0 && result.highest < 0) || !take("}")) {
      at_ = start;
      return std::nullopt;
    }
    if (result.lowest < 0) result.lowest = 0;
    if (result.highest >= 0 && result.highest < result.lowest) refuse("an interval whose end is below its start");
    return result;
  }

  std::string repeated(std::string text) {
    for (bool again = false;; again = true) {
      if (options_.extended && skip_ignored()) continue;
      const char32_t c = peek();
      const std::string before = again ? fmt::format("(?:{})", text) : text;
      if (!at_end() && (c == '*' || c == '+' || c == '?')) {
        text = before + static_cast<char>(next());
        if (take("?")) {
          text += '?';
        } else if (take("+")) {
          text += '+';
        }
      } else if (const std::optional<Interval> times = interval()) {
        const bool fixed = times->lowest == times->highest;
        text = fixed                ? fmt::format("{}{{{}}}", before, times->lowest)
               : times->highest < 0 ? fmt::format("{}{{{},}}", before, times->lowest)
                                    : fmt::format("{}{{{},{}}}", before, times->lowest, times->highest);
        if (fixed && take("?")) {
          text = fmt::format("(?:{})?", text);
        } else if (take("?")) {
          text += '?';
        }
      } else {
        return text;
      }
    }
  }

  /// Of the escapes that name a class; nothing, and nothing taken, for any other.
  /// Outside of a set, words have six characters more (superscripts and fractions of Latin-1).
  std::optional<std::string> class_escape(bool in_set) {
    const auto some = [](std::string set, bool negated) { return fmt::format("[{}{}]", negated ? "^" : "", set); };
    const char32_t c = peek(1);
    switch (c) {
      case 'd':
      case 'D':
        at_ += 2;
        return some(*posix_class("digit"), c == 'D');
      case 's':
      case 'S':
        at_ += 2;
        return some(*posix_class("space"), c == 'S');
      case 'w':
      case 'W':
        at_ += 2;
        return some(in_set ? *posix_class("word") : word_class(), c == 'W');
      case 'h':
      case 'H':
        at_ += 2;
        return some(*posix_class("xdigit"), c == 'H');
      case 'p':
      case 'P': {
        if (peek(2) != '{') refuse("a property without {");
        at_ += 3;
        const bool negated = take("^") != (c == 'P');
        const std::string name = until('}');
        const std::optional<std::string> content = property_class(name);
        if (!content) refuse(fmt::format("the unknown property \"{}\"", name));
        const bool word = !in_set && *content == *posix_class("word");
        return some(word ? word_class() : *content, negated);
      }
      default:
        return std::nullopt;
    }
  }

  char32_t number(int base_bits, int most_digits) {
    char32_t value = 0;
    for (int digits = 0; digits < most_digits; ++digits) {
      const int digit = hex_value(peek());
      if (digit < 0 || digit >= (1 << base_bits)) break;
      value = (value << base_bits) | static_cast<char32_t>(digit);
      ++at_;
    }
    if (value > kHighest || (value >= 0xD800 && value < 0xE000)) refuse("a number of no character");
    return value;
  }

  /// The character that an escape stands for; the backslash is taken already.
  char32_t escaped_character() {
    const char32_t c = next();
    switch (c) {
      case 't':
        return '\t';
      case 'n':
        return '\n';
      case 'r':
        return '\r';
      case 'f':
        return '\f';
      case 'v':
        return '\v';
      case 'a':
        return '\a';
      case 'e':
        return 0x1B;
      case 'x': {
        if (!take("{")) return number(4, 2);
        const char32_t value = number(4, 8);
        if (!take("}")) refuse("\\x{ without }");
        return value;
      }
      case 'u':
        return number(4, 4);
      case '0':
        return number(3, 2);
      default:
        break;
    }
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) refuse(fmt::format("\\{}", static_cast<char>(c)));
    return c;
  }

  std::string escape() {
    // Outside of a set, (?i) does not widen a class.
    if (const std::optional<std::string> named = class_escape(false)) return fmt::format("(?-i:{})", *named);
    const std::string word = fmt::format("[{}]", word_class());
    switch (peek(1)) {
      case 'b':
        at_ += 2;
        return fmt::format("(?:(?<={0})(?!{0})|(?<!{0})(?={0}))", word);
      case 'B':
        at_ += 2;
        return fmt::format("(?:(?<={0})(?={0})|(?<!{0})(?!{0}))", word);
      case 'A':
      case 'Z':
      case 'z':
      case 'G':
      case 'X':
        at_ += 2;
        return fmt::format("\\{}", static_cast<char>(text_[at_ - 1]));
      case 'R':
        at_ += 2;
        return "(?>\\x{D}\\x{A}|[\\x{A}-\\x{D}\\x{85}\\x{2028}\\x{2029}])";
      case 'k':
        return named_reference();
      default:
        break;
    }
    ++at_;
    if (peek() >= '1' && peek() <= '9') return fmt::format("(?:\\{})", static_cast<char>(next()));
    return literal(escaped_character());
  }

  std::string named_reference() {
    at_ += 2;
    if (!take("<")) refuse("\\k without <");
    const std::string name = until('>');
    for (std::size_t i = 0; i < names_.size(); ++i)
      if (names_[i] == name) return fmt::format("(?:\\{})", i + 1);
    refuse(fmt::format("a reference to the unknown group \"{}\"", name));
  }

  /// A set; its [ is taken already.
  std::string set() {
    if (++depth_ > kDeepestGroup) refuse("sets nested too deeply");
    const bool negated = take("^");
    std::string whole;  // what stands before the last &&
    std::string part;
    bool first = true;
    while (first || peek() != ']') {
      if (take("&&")) {
        whole = whole.empty() ? fmt::format("[{}]", part) : fmt::format("{}&&[{}]", whole, part);
        part.clear();
      } else {
        part += set_item();
      }
      first = false;
    }
    ++at_;
    --depth_;
    if (!whole.empty()) part = fmt::format("{}&&[{}]", whole, part);
    return fmt::format("[{}{}]", negated ? "^" : "", part);
  }

  std::string set_item() {
    if (looks_at("[:")) {
      const std::size_t start = at_;
      at_ += 2;
      const bool negated = take("^");
      std::string name;
      while (peek() >= 'a' && peek() <= 'z') name.push_back(static_cast<char>(next()));
      if (take(":]")) {
        const std::optional<std::string> bracket = posix_class(name);
        if (!bracket) refuse(fmt::format("the unknown bracket [:{}:]", name));
        return negated ? fmt::format("[^{}]", *bracket) : *bracket;
      }
      at_ = start;
    }
    if (take("[")) return set();
    if (peek() == '\\') {
      if (std::optional<std::string> named = class_escape(true)) return *named;
    }
    const char32_t lowest = set_character();
    if (peek() != '-' || peek(1) == ']' || at_ + 1 >= text_.size()) return literal(lowest);
    const std::size_t before = at_;
    ++at_;
    if (peek() == '[' || (peek() == '\\' && class_escape(true))) {  // the hyphen stands for itself
      at_ = before;
      return literal(lowest);
    }
    const char32_t highest = set_character();
    if (highest < lowest) refuse("a range whose end is below its start");
    return fmt::format("{}-{}", literal(lowest), literal(highest));
  }

  char32_t set_character() {
    const char32_t c = next();
    if (c != '\\') return c;
    if (take("b")) return '\b';
    if (peek() >= '1' && peek() <= '7') return number(3, 3);
    return escaped_character();
  }

  std::string_view pattern_;
  std::vector<char32_t> text_;
  std::size_t at_ = 0;
  int depth_ = 0;
  Options options_;
  bool has_names_ = false;
  std::vector<std::string> names_;
};

}  // namespace

std::string icu_expression(std::string_view pattern) { return Translator(pattern).translate(); }

}  // namespace temper
