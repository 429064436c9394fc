#include "data/tokenizer/expression.h"

#include <unicode/uregex.h>
#include <unicode/ustring.h>

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <utility>

#include "base/error.h"
#include "data/tokenizer/utf8.h"

namespace temper {
namespace {

/// A text that is found as it stands.
class Literal : public Expression {
 public:
  explicit Literal(std::string text) : text_(std::move(text)) {}

  void find_all(std::string_view text, std::vector<TextSpan>& matches) const override {
    matches.clear();
    if (text_.empty()) {
      for (std::size_t i = 0; i < text.size(); i += decode_utf8(text.data() + i).bytes) matches.push_back({i, i});
      if (!text.empty()) matches.push_back({text.size(), text.size()});
      return;
    }
    for (std::size_t i = text.find(text_); i != std::string_view::npos; i = text.find(text_, i + text_.size()))
      matches.push_back({i, i + text_.size()});
  }

 private:
  std::string text_;
};

/// Runs of one character, such as " {2,}", which many tokenizers look for in every text, and most texts have not.
class Runs : public Expression {
 public:
  Runs(char character, std::size_t least) : character_(character), least_(least) {}

  void find_all(std::string_view text, std::vector<TextSpan>& matches) const override {
    matches.clear();
    for (std::size_t i = text.find(character_); i != std::string_view::npos; i = text.find(character_, i)) {
      const std::size_t end = std::min(text.find_first_not_of(character_, i), text.size());
      if (end - i >= least_) matches.push_back({i, end});
      i = end;
    }
  }

 private:
  char character_;
  std::size_t least_;
};

/// Of an expression that is a space, a letter or a digit and behind it {n,}, n from 1 to 9; null for any other.
std::unique_ptr<Expression> make_runs(std::string_view pattern) {
  if (pattern.size() != 5 || pattern[1] != '{' || pattern[2] < '1' || pattern[2] > '9' || pattern.substr(3) != ",}")
    return nullptr;
  const char c = pattern.front();
  const bool is_plain = c == ' ' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  return is_plain ? std::make_unique<Runs>(c, static_cast<std::size_t>(pattern[2] - '0')) : nullptr;
}

struct CloseExpression {
  void operator()(URegularExpression* expression) const { uregex_close(expression); }
};
using IcuExpression = std::unique_ptr<URegularExpression, CloseExpression>;

std::u16string utf16(std::string_view text) {
  std::u16string units;
  units.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const CodePoint code = decode_utf8(text.data() + i);
    i += code.bytes;
    if (code.value < 0x10000) {
      units.push_back(static_cast<char16_t>(code.value));
    } else {
      units.push_back(static_cast<char16_t>(U16_LEAD(code.value)));
      units.push_back(static_cast<char16_t>(U16_TRAIL(code.value)));
    }
  }
  return units;
}

/// An expression may take a time that doubles with each character. What is allowed grows with the text, so that it
/// does not depend on the machine whether a text is read: ICU counts what it puts on its stack, in tens of thousands.
constexpr std::int32_t kLeastSteps = 20'000;
constexpr std::int32_t kUnitsPerStep = 50;

/// An expression that ICU matches. One of ICU's serves one thread; copies of it are made as they are needed and kept.
class RegularExpression : public Expression {
 public:
  RegularExpression(IcuExpression first, std::string pattern) : pattern_(std::move(pattern)) {
    free_.push_back(std::move(first));
  }

  void find_all(std::string_view text, std::vector<TextSpan>& matches) const override {
    matches.clear();
    if (text.empty()) return;
    IcuExpression expression = take();
    find_all(expression.get(), text, matches);
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(expression));
  }

 private:
  void require(UErrorCode status, std::size_t text_bytes) const {
    if (status == U_REGEX_TIME_OUT || status == U_REGEX_STACK_OVERFLOW)
      throw Error(
          "the tokenizer's regular expression \"{}\" takes too long on a text of {} bytes ({}); shorten the text, or "
          "correct the expression",
          pattern_, text_bytes, u_errorName(status));
    if (U_FAILURE(status) != 0)
      throw Error("ICU cannot match the regular expression \"{}\": {}", pattern_, u_errorName(status));
  }

  IcuExpression take() const {
    const std::lock_guard lock(mutex_);
    if (free_.size() > 1) {
      IcuExpression expression = std::move(free_.back());
      free_.pop_back();
      return expression;
    }
    UErrorCode status = U_ZERO_ERROR;
    IcuExpression copy(uregex_clone(free_.front().get(), &status));
    uregex_setStackLimit(copy.get(), 0, &status);  // a long text may need more than ICU's 8 MB; it never takes 2 GB
    require(status, 0);
    return copy;
  }

  void find_all(URegularExpression* expression, std::string_view text, std::vector<TextSpan>& matches) const {
    const std::u16string units = utf16(text);
    const auto length = static_cast<std::int32_t>(units.size());
    UErrorCode status = U_ZERO_ERROR;
    uregex_setTimeLimit(expression, kLeastSteps + length / kUnitsPerStep, &status);
    uregex_setText(expression, units.data(), length, &status);
    // Places are asked for in ascending order, so one walk over the text translates them all.
    std::size_t byte = 0;
    std::int32_t unit = 0;
    const auto byte_at = [&](std::int32_t place) {
      while (unit < place) {
        const CodePoint code = decode_utf8(text.data() + byte);
        byte += code.bytes;
        unit += code.value < 0x10000 ? 1 : 2;
      }
      return byte;
    };
    std::int32_t last_end = -1;
    for (std::int32_t from = 0; from <= length && uregex_find(expression, from, &status) != 0;) {
      const std::int32_t start = uregex_start(expression, 0, &status);
      const std::int32_t end = uregex_end(expression, 0, &status);
      require(status, text.size());
      if (start == end && end == last_end) {  // an empty one behind a match does not count: go on one character later
        if (from == length) break;
        from = end;
        U16_FWD_1(units.data(), from, length);
        continue;
      }
      const std::size_t start_byte = byte_at(start);
      matches.push_back({start_byte, byte_at(end)});
      from = last_end = end;
    }
    require(status, text.size());
    // The text goes away with this call.
    uregex_setText(expression, u"", 0, &status);
  }

  std::string pattern_;  // for messages
  mutable std::mutex mutex_;
  mutable std::vector<IcuExpression> free_;  // the first one stays here, to be copied
};

}  // namespace

std::unique_ptr<Expression> make_expression(const std::string& pattern, const JsonNode& node) {
  if (std::unique_ptr<Expression> runs = make_runs(pattern)) return runs;
  std::string rewritten;
  try {
    rewritten = icu_expression(pattern);
  } catch (const Error& error) {
    throw Error("{}: {}: {}", node.file(), node.place(), error.what());
  }
  const std::u16string units = utf16(rewritten);
  UErrorCode status = U_ZERO_ERROR;
  UParseError place{};
  IcuExpression expression(uregex_open(units.data(), static_cast<std::int32_t>(units.size()),
                                       UREGEX_MULTILINE | UREGEX_UNIX_LINES, &place, &status));
  if (U_FAILURE(status) != 0 || !expression)
    throw Error("{}: {}: the regular expression \"{}\" is not understood ({}); correct it", node.file(), node.place(),
                pattern, u_errorName(status));
  return std::make_unique<RegularExpression>(std::move(expression), pattern);
}

std::unique_ptr<Expression> make_pattern(const JsonNode& node) {
  if (const std::optional<JsonNode> text = node.optional_member("String"))
    return std::make_unique<Literal>(text->text());
  if (const std::optional<JsonNode> pattern = node.optional_member("Regex"))
    return make_expression(pattern->text(), *pattern);
  throw node.unexpected("{\"String\": \"...\"} or {\"Regex\": \"...\"}");
}

void replace_spans(std::string_view text, std::span<const TextSpan> spans, std::string_view content,
                   std::string& replaced) {
  replaced.clear();
  replaced.reserve(text.size());
  std::size_t done = 0;
  for (const TextSpan& span : spans) {
    replaced.append(text, done, span.start - done).append(content);
    done = span.end;
  }
  replaced.append(text, done);
}

}  // namespace temper
