// A template's text to tokens, as Jinja's lexer cuts it with trim_blocks and lstrip_blocks on (jinja2/lexer.py, 3.1):
// the newline behind a block goes, as do blanks between the beginning of a line and a block, unless a sign says
// otherwise; one newline at the end of the template goes too.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "data/jinja/value.h"

namespace temper::jinja {

enum class TokenKind : std::uint8_t {
  data,
  variable_begin,
  variable_end,
  block_begin,
  block_end,
  name,
  string,
  integer,
  real,
  sign,  ///< an operator or a bracket
  end
};

struct Token {
  TokenKind kind = TokenKind::end;
  std::string text;     ///< of data, names and signs as they stand; of strings, their content
  Integer integer = 0;  ///< of integers
  double real = 0.0;    ///< of reals
  int line = 1;

  [[nodiscard]] bool is_sign(std::string_view sign) const { return kind == TokenKind::sign && text == sign; }
  [[nodiscard]] bool is_name(std::string_view name) const { return kind == TokenKind::name && text == name; }
};

/// The tokens, an end behind them. Throws a TemplateError, as Jinja does, for what is no template; one of its own for
/// integers beyond 127 bits.
std::vector<Token> cut_template(std::string_view source);

/// What Jinja's messages call a token: "end of print statement", "begin of statement block", or its text.
std::string described(const Token& token);

}  // namespace temper::jinja
