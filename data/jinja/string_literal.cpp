#include "data/jinja/string_literal.h"

#include <unicode/uchar.h>

#include "data/jinja/template_error.h"
#include "data/jinja/text.h"

namespace temper::jinja {
namespace {

TemplateError broken_escape(const char* what, int line) {
  return {Refusal::not_template, "TemplateSyntaxError",
          std::string("'unicodeescape' codec can't decode a string of the template: ") + what, line};
}

int hexadecimal(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char letter = static_cast<char>(c | 0x20);
  return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

/// Takes so many hexadecimal digits off a text.
char32_t take_code(std::string_view& rest, std::size_t digits, int line) {
  char32_t code = 0;
  if (rest.size() < digits) throw broken_escape("truncated escape", line);
  for (std::size_t i = 0; i < digits; ++i) {
    const int digit = hexadecimal(rest[i]);
    if (digit < 0) throw broken_escape("truncated escape", line);
    code = code * 16 + static_cast<char32_t>(digit);
  }
  if (code > 0x10FFFF) throw broken_escape("illegal Unicode character", line);
  rest.remove_prefix(digits);
  return code;
}

char32_t take_named(std::string_view& rest, int line) {
  const std::size_t end = rest.find('}');
  if (!rest.starts_with('{') || end == std::string_view::npos)
    throw broken_escape("malformed \\N character escape", line);
  const std::string name(rest.substr(1, end - 1));
  rest.remove_prefix(end + 1);
  UErrorCode status = U_ZERO_ERROR;
  const UChar32 c = u_charFromName(U_EXTENDED_CHAR_NAME, name.c_str(), &status);
  if (U_FAILURE(status) != 0) throw broken_escape("unknown Unicode character name", line);
  return static_cast<char32_t>(c);
}

}  // namespace

std::string string_literal(std::string_view written, int line) {
  std::string text;
  std::string_view rest = written;
  while (!rest.empty()) {
    if (rest.front() != '\\' || rest.size() == 1) {
      text += rest.front();
      rest.remove_prefix(1);
      continue;
    }
    const char kind = rest[1];
    rest.remove_prefix(2);
    constexpr std::string_view kLetters = "nrtabfv\\'\"";
    constexpr std::string_view kMeanings = "\n\r\t\a\b\f\v\\'\"";
    if (const std::size_t letter = kLetters.find(kind); letter != std::string_view::npos) {
      text += kMeanings[letter];
    } else if (kind == '\n') {
      continue;
    } else if (kind == 'x') {
      append_character(take_code(rest, 2, line), text);
    } else if (kind == 'u') {
      append_character(take_code(rest, 4, line), text);
    } else if (kind == 'U') {
      append_character(take_code(rest, 8, line), text);
    } else if (kind == 'N') {
      append_character(take_named(rest, line), text);
    } else if (kind >= '0' && kind <= '7') {
      auto code = static_cast<char32_t>(kind - '0');
      for (int more = 0; more < 2 && !rest.empty() && rest.front() >= '0' && rest.front() <= '7'; ++more) {
        code = code * 8 + static_cast<char32_t>(rest.front() - '0');
        rest.remove_prefix(1);
      }
      append_character(code, text);
    } else {
      text += '\\';
      text += kind;
    }
  }
  return text;
}

}  // namespace temper::jinja
