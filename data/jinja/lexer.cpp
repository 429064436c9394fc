#include "data/jinja/lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

#include "data/jinja/string_literal.h"

namespace temper::jinja {
namespace {

TemplateError wrong_syntax(const std::string& message, int line) {
  return {Refusal::not_template, "TemplateSyntaxError", message, line};
}

/// Line ends become line feeds, and one at the end goes.
std::string with_line_feeds(std::string_view source) {
  std::string text;
  text.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      if (i + 1 < source.size() && source[i + 1] == '\n') continue;
      text += '\n';
    } else {
      text += source[i];
    }
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

bool is_digit_byte(char c) { return c >= '0' && c <= '9'; }

std::string_view without_space_behind(std::string_view text) {
  while (!text.empty()) {
    std::size_t last = text.size() - 1;
    while (last > 0 && (static_cast<unsigned char>(text[last]) & 0xC0) == 0x80) --last;
    if (!is_python_space(character_at(text, last))) break;
    text = text.substr(0, last);
  }
  return text;
}

bool is_all_space(std::string_view text) { return all_characters(text, is_python_space); }

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(with_line_feeds(source)), rest_(source_) {}

  std::vector<Token> tokens() {
    while (position_ < rest_.size()) cut_data();
    add(TokenKind::end);
    return std::move(tokens_);
  }

 private:
  void add(TokenKind kind, std::string text = {}) {
    Token token;
    token.kind = kind;
    token.text = std::move(text);
    token.line = line_;
    tokens_.push_back(std::move(token));
  }

  /// Moves on over a piece that has been read.
  void pass(std::size_t bytes) {
    const std::string_view piece = rest_.substr(position_, bytes);
    line_ += static_cast<int>(std::count(piece.begin(), piece.end(), '\n'));
    position_ += bytes;
    if (!piece.empty()) at_line_start_ = piece.back() == '\n';
  }

  [[nodiscard]] bool at(std::string_view text) const { return rest_.substr(position_).starts_with(text); }

  void pass_space() {
    std::size_t end = position_;
    while (end < rest_.size() && is_python_space(character_at(rest_, end))) end += character_bytes(rest_[end]);
    if (end > position_) pass(end - position_);
  }

  /// Data up to a tag whose sign, if it has one, is given: with what whitespace control leaves of it.
  void add_data(std::string_view data, char sign, bool is_variable) {
    std::string_view kept = data;
    if (sign == '-') {
      kept = without_space_behind(data);
    } else if (sign != '+' && !is_variable) {
      const std::size_t newline = data.rfind('\n');
      const std::size_t line_begin = newline == std::string_view::npos ? 0 : newline + 1;
      if ((line_begin > 0 || at_line_start_) && is_all_space(data.substr(line_begin)))
        kept = data.substr(0, line_begin);
    }
    if (!kept.empty()) add(TokenKind::data, std::string(kept));
  }

  [[nodiscard]] char sign_at(std::size_t place) const {
    return place < rest_.size() && (rest_[place] == '-' || rest_[place] == '+') ? rest_[place] : '\0';
  }

  void cut_data() {
    std::size_t tag = position_;
    while (true) {
      tag = rest_.find('{', tag);
      if (tag == std::string_view::npos || tag + 1 >= rest_.size()) {
        add(TokenKind::data, std::string(rest_.substr(position_)));
        pass(rest_.size() - position_);
        return;
      }
      const char second = rest_[tag + 1];
      if (second == '%' || second == '{' || second == '#') break;
      ++tag;
    }
    const char kind = rest_[tag + 1];
    const char sign = sign_at(tag + 2);
    add_data(rest_.substr(position_, tag - position_), sign, kind == '{');
    pass(tag - position_);
    const std::size_t opening = sign == '\0' ? 2 : 3;
    if (kind == '#') {
      cut_comment(opening);
    } else if (kind == '{') {
      add(TokenKind::variable_begin);
      pass(opening);
      cut_expression(/*is_variable=*/true);
    } else if (!cut_raw(opening)) {
      add(TokenKind::block_begin);
      pass(opening);
      cut_expression(/*is_variable=*/false);
    }
  }

  /// Behind the end of a comment or a block: a newline goes, or all white space, or nothing, by the sign before it.
  void pass_end(std::size_t bytes, char sign) {
    pass(bytes);
    if (sign == '-') {
      pass_space();
    } else if (sign != '+' && at("\n")) {
      pass(1);
    }
  }

  void cut_comment(std::size_t opening) {
    const int line = line_;
    const std::size_t end = rest_.find("#}", position_ + opening);
    if (end == std::string_view::npos) throw wrong_syntax("Missing end of comment tag", line);
    const char before = end > position_ + opening ? rest_[end - 1] : '\0';
    pass_end(end + 2 - position_, before == '-' || before == '+' ? before : '\0');
  }

  /// {% raw %} and all up to its end; false where the block is another one.
  bool cut_raw(std::size_t opening) {
    std::size_t place = position_ + opening;
    const auto skip_space = [&] {
      while (place < rest_.size() && is_python_space(character_at(rest_, place)))
        place += character_bytes(rest_[place]);
    };
    skip_space();
    if (!rest_.substr(place).starts_with("raw")) return false;
    place += 3;
    skip_space();
    const bool trims = rest_.substr(place).starts_with("-%}");
    if (!trims && !rest_.substr(place).starts_with("%}")) return false;
    place += trims ? 3 : 2;
    const int line = line_;
    pass(place - position_);
    if (trims) pass_space();
    for (std::size_t tag = rest_.find("{%", position_); tag != std::string_view::npos;
         tag = rest_.find("{%", tag + 2)) {
      const char sign = sign_at(tag + 2);
      place = tag + (sign == '\0' ? 2 : 3);
      skip_space();
      if (!rest_.substr(place).starts_with("endraw")) continue;
      place += 6;
      skip_space();
      const char closing = sign_at(place);
      if (closing != '\0') ++place;
      if (!rest_.substr(place).starts_with("%}")) continue;
      add_data(rest_.substr(position_, tag - position_), sign, false);
      pass_end(place + 2 - position_, closing);
      return true;
    }
    throw wrong_syntax("Missing end of raw directive", line);
  }

  void cut_expression(bool is_variable) {
    std::vector<char> brackets;
    while (position_ < rest_.size()) {
      if (brackets.empty() && cut_end(is_variable)) return;
      const std::size_t before = position_;
      pass_space();
      if (position_ != before) continue;
      if (cut_number() || cut_name() || cut_string()) continue;
      cut_sign(brackets);
    }
  }

  bool cut_end(bool is_variable) {
    const std::string_view ending = is_variable ? "}}" : "%}";
    const char sign = sign_at(position_);
    const bool signed_end =
        (sign == '-' || (sign == '+' && !is_variable)) && rest_.substr(position_ + 1).starts_with(ending);
    if (!signed_end && !at(ending)) return false;
    add(is_variable ? TokenKind::variable_end : TokenKind::block_end);
    if (is_variable) {
      pass(signed_end ? 3 : 2);
      if (signed_end) pass_space();
    } else {
      pass_end(signed_end ? 3 : 2, signed_end ? sign : '\0');
    }
    return true;
  }

  /// Digits with single underscores between them; where they end.
  [[nodiscard]] std::size_t digits_end(std::size_t place) const {
    while (place < rest_.size()) {
      if (is_digit_byte(rest_[place])) {
        ++place;
      } else if (rest_[place] == '_' && place + 1 < rest_.size() && is_digit_byte(rest_[place + 1])) {
        place += 2;
      } else {
        break;
      }
    }
    return place;
  }

  bool cut_number() {
    if (!is_digit_byte(rest_[position_])) return false;
    const bool behind_point = position_ > 0 && rest_[position_ - 1] == '.';
    const std::size_t whole = digits_end(position_);
    std::size_t end = whole;
    bool real = false;
    if (!behind_point) {
      if (end + 1 < rest_.size() && rest_[end] == '.' && is_digit_byte(rest_[end + 1])) {
        end = digits_end(end + 1);
        real = true;
      }
      if (end < rest_.size() && (rest_[end] == 'e' || rest_[end] == 'E')) {
        std::size_t power = end + 1;
        if (power < rest_.size() && (rest_[power] == '+' || rest_[power] == '-')) ++power;
        if (power < rest_.size() && is_digit_byte(rest_[power])) {
          end = digits_end(power);
          real = true;
        }
      }
    }
    if (real) {
      std::string digits(rest_.substr(position_, end - position_));
      std::erase(digits, '_');
      add(TokenKind::real, digits);
      tokens_.back().real = std::strtod(digits.c_str(), nullptr);
      pass(end - position_);
      return true;
    }
    return cut_integer(whole);
  }

  bool cut_integer(std::size_t decimal_end) {
    int base = 10;
    std::size_t begin = position_;
    std::size_t end = decimal_end;
    if (rest_[begin] == '0' && begin + 1 < rest_.size()) {
      const char letter = static_cast<char>(rest_[begin + 1] | 0x20);
      const int other = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 10;
      if (other != 10) {
        std::size_t place = begin + 2;
        while (place < rest_.size() &&
               (digit_of(rest_[place]) < other ||
                (rest_[place] == '_' && place + 1 < rest_.size() && digit_of(rest_[place + 1]) < other)))
          ++place;
        if (place > begin + 2) {
          base = other;
          end = place;
          begin += 2;
        }
      } else {
        // Of digits behind a 0 only zeros are of the number.
        std::size_t place = begin + 1;
        while (place < rest_.size() &&
               (rest_[place] == '0' || (rest_[place] == '_' && place + 1 < rest_.size() && rest_[place + 1] == '0')))
          ++place;
        end = place;
      }
    }
    Integer value = 0;
    for (std::size_t i = begin; i < end; ++i) {
      if (rest_[i] == '_') continue;
      if (value > (Integer{1} << 120)) throw limit_error("the template has an integer of more than 36 digits");
      value = value * base + digit_of(rest_[i]);
    }
    add(TokenKind::integer, std::string(rest_.substr(position_, end - position_)));
    tokens_.back().integer = value;
    pass(end - position_);
    return true;
  }

  static int digit_of(char c) {
    if (is_digit_byte(c)) return c - '0';
    const char letter = static_cast<char>(c | 0x20);
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : 99;
  }

  bool cut_name() {
    std::size_t end = position_;
    while (end < rest_.size() && is_word(character_at(rest_, end))) end += character_bytes(rest_[end]);
    if (end == position_) return false;
    add(TokenKind::name, std::string(rest_.substr(position_, end - position_)));
    pass(end - position_);
    return true;
  }

  bool cut_string() {
    const char quote = rest_[position_];
    if (quote != '\'' && quote != '"') return false;
    std::size_t end = position_ + 1;
    while (end < rest_.size() && rest_[end] != quote) end += rest_[end] == '\\' ? 2 : 1;
    if (end >= rest_.size()) return false;
    add(TokenKind::string);
    tokens_.back().text = string_literal(rest_.substr(position_ + 1, end - position_ - 1), line_);
    pass(end + 1 - position_);
    return true;
  }

  void cut_sign(std::vector<char>& brackets) {
    static constexpr std::array<std::string_view, 28> kSigns{"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                                             "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                                             ">",  "<",  "=",  ".",  ":",  "|",  ",", ";"};
    for (const std::string_view sign : kSigns) {
      if (sign.empty() || !at(sign)) continue;
      const char c = sign.front();
      if (sign == "{" || sign == "(" || sign == "[") {
        brackets.push_back(c == '{' ? '}' : c == '(' ? ')' : ']');
      } else if (sign == "}" || sign == ")" || sign == "]") {
        if (brackets.empty()) throw wrong_syntax(fmt::format("unexpected '{}'", sign), line_);
        if (brackets.back() != c)
          throw wrong_syntax(fmt::format("unexpected '{}', expected '{}'", sign, brackets.back()), line_);
        brackets.pop_back();
      }
      add(TokenKind::sign, std::string(sign));
      pass(sign.size());
      return;
    }
    const std::string_view character = rest_.substr(position_, character_bytes(rest_[position_]));
    throw wrong_syntax(fmt::format("unexpected char {} at {}", representation(Text(std::string(character))).bytes(),
                                   count_characters(rest_.substr(0, position_))),
                       line_);
  }

  std::string source_;
  std::string_view rest_;
  std::size_t position_ = 0;
  int line_ = 1;
  bool at_line_start_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> cut_template(std::string_view source) { return Lexer(source).tokens(); }

std::string described(const Token& token) {
  switch (token.kind) {
    case TokenKind::data:
      return "template data / text";
    case TokenKind::variable_begin:
      return "begin of print statement";
    case TokenKind::variable_end:
      return "end of print statement";
    case TokenKind::block_begin:
      return "begin of statement block";
    case TokenKind::block_end:
      return "end of statement block";
    case TokenKind::end:
      return "end of template";
    case TokenKind::name:
      return token.text;
    case TokenKind::string:
      return "string";
    case TokenKind::integer:
      return "integer";
    case TokenKind::real:
      return "float";
    case TokenKind::sign:
      return token.text;
  }
  return token.text;
}

}  // namespace temper::jinja
