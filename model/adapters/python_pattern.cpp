#include "model/adapters/python_pattern.h"

#include <unicode/unistr.h>
#include <unicode/uregex.h>

#include "base/error.h"

namespace temper {
namespace {

/// In ICU's units of work: some seconds. Names are short, so only an expression that tries too much gets there.
constexpr int kMostWork = 2000;

/// What Python writes otherwise than ICU: named groups, and the end of the text.
std::string as_icu(std::string_view pattern) {
  std::string text;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const std::string_view rest = pattern.substr(i);
    if (rest.starts_with("(?P<")) {
      text += "(?<";
      i += 3;
    } else if (rest.starts_with("(?P=")) {
      const std::size_t end = rest.find(')');
      text += "\\k<" + std::string(rest.substr(4, end == std::string_view::npos ? end : end - 4)) + ">";
      i = end == std::string_view::npos ? pattern.size() : i + end;
    } else if (rest.front() == '\\' && rest.size() > 1) {
      text += rest[1] == 'Z' ? "\\z" : std::string(rest.substr(0, 2));
      ++i;
    } else {
      text += rest.front();
    }
  }
  return text;
}

}  // namespace

struct PythonPattern::Compiled {
  std::string pattern;
  std::string place;
  URegularExpression* expression = nullptr;
  Compiled(std::string of, std::string at) : pattern(std::move(of)), place(std::move(at)) {}
  Compiled(const Compiled&) = delete;
  Compiled& operator=(const Compiled&) = delete;
  ~Compiled() { uregex_close(expression); }
};

PythonPattern::PythonPattern(const std::string& pattern, const std::string& place)
    : compiled_(std::make_unique<Compiled>(pattern, place)) {
  const icu::UnicodeString text = icu::UnicodeString::fromUTF8(as_icu(pattern));
  UErrorCode status = U_ZERO_ERROR;
  UParseError where{};
  compiled_->expression = uregex_open(text.getBuffer(), text.length(), 0, &where, &status);
  if (U_FAILURE(status))
    throw Error("{}: '{}' is no regular expression: {} near character {}; correct it, or name modules in a list", place,
                pattern, u_errorName(status), where.offset);
  uregex_setTimeLimit(compiled_->expression, kMostWork, &status);
}

PythonPattern::~PythonPattern() = default;
PythonPattern::PythonPattern(PythonPattern&&) noexcept = default;
PythonPattern& PythonPattern::operator=(PythonPattern&&) noexcept = default;

bool PythonPattern::matches_whole(std::string_view text) const {
  const icu::UnicodeString subject =
      icu::UnicodeString::fromUTF8({text.data(), static_cast<std::int32_t>(text.size())});
  UErrorCode status = U_ZERO_ERROR;
  uregex_setText(compiled_->expression, subject.getBuffer(), subject.length(), &status);
  const bool matches = uregex_matches(compiled_->expression, 0, &status) != 0;
  if (U_FAILURE(status))
    throw Error("{}: '{}' cannot be matched: {}; make it simpler", compiled_->place, compiled_->pattern,
                u_errorName(status));
  return matches;
}

}  // namespace temper
