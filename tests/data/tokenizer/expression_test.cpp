// Matches of expressions as Oniguruma 6.9.10 has them, which Hugging Face tokenizers 0.23.3 uses.
#include "data/tokenizer/expression.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/error.h"

namespace temper {
namespace {

std::unique_ptr<Expression> expression_of(const std::string& pattern) {
  const nlohmann::json place = pattern;
  return make_expression(pattern, {place, "tokenizer.json", "pattern"});
}

struct ExpressionCase {
  std::string pattern;
  std::string text;
  std::vector<std::string> matches;  // empty ones left out
};

const ExpressionCase kExpressionCases[] = {
    // clang-format off
    {"\\h+", "xAf9g", {"Af9"}},
    {"^.", "ab\ncd", {"a", "c"}},
    {".$", "ab\x0D\ncd", {"\x0D", "d"}},
    {"(?m:a.b)", "a\nb a\x0D""b", {"a\nb", "a\x0D""b"}},
    {"a.b", "a\nb a\x0D""b", {"a\x0D""b"}},
    {"\\w", "\xC2\xBD\xC2\xB2_-", {"\xC2\xBD", "\xC2\xB2", "_"}},
    {"[\\w]", "\xC2\xBD\xC2\xB2_-", {"_"}},
    {"\\b", "ab, \xC2\xBD", {}},
    {"a{2}?", "aaa", {"aa"}},
    {"a{1,2}+", "aaab", {"aaa"}},
    {"a{,2}", "aaab", {"aa", "a"}},
    {"x?+a++b*+", "xaabb a", {"xaabb", "a"}},
    {"(?<n>a)\\k<n>|(b)", "aab", {"aa", "b"}},
    {"(?i)stra\xC3\x9F""e|k", "STRASSE \xE2\x84\xAA", {"STRASSE", "\xE2\x84\xAA"}},
    {"a(?i)b|c", "aB C ac", {"aB", "ac"}},
    {"[[:alpha:]&&[^aeiou]]+", "xdeCd", {"xd", "Cd"}},
    {"[^]a]", "a]b", {"b"}},
    {"[a-c\\-_]+", "a-b_d", {"a-b_"}},
    {"\\p{^L}+|\\P{L}", "a1b", {"1"}},
    {"\\R", "a\x0D\nb\n\n", {"\x0D\n", "\n", "\n"}},
    {"\\x{e9}|\\u5317", "\xC3\xA9\xE5\x8C\x97", {"\xC3\xA9", "\xE5\x8C\x97"}},
    {"(?x: a b # c\n c)", "abc", {"abc"}},
    {"(?>a|ab)c", "abc ac", {"ac"}},
    {"(?<=a)b|(?<!a)c", "ab ac bc", {"b", "c"}},
    {"\\d{1,3}(?=(?:\\d{3})*\\b)", "1234567", {"1", "234", "567"}},
    {"a|", "ba", {"a"}},
    {"\\p{Lu}", "\xE1\xB2\x90\xF0\x90\xB5\x90""a", {"\xE1\xB2\x90", "\xF0\x90\xB5\x90"}},
    {"[[:punct:]]", "$a+.", {"$", "+", "."}},
    {"\\p{Han}", "\xE5\x8C\x97\xE3\x83\xBC\xE3\x80\x87", {"\xE5\x8C\x97", "\xE3\x80\x87"}},
    // clang-format on
};

TEST(Expression, MatchesWhatTheReferenceMatches) {
  for (const ExpressionCase& c : kExpressionCases) {
    std::vector<TextSpan> spans;
    expression_of(c.pattern)->find_all(c.text, spans);
    std::vector<std::string> found;
    for (const TextSpan& span : spans)
      if (span.start < span.end) found.push_back(c.text.substr(span.start, span.end - span.start));
    EXPECT_EQ(found, c.matches) << c.pattern;
  }
}

TEST(Expression, FindsAWordOfAMegabyte) {
  const std::string text(1 << 20, 'a');
  std::vector<TextSpan> spans;
  expression_of("(?:a|b)+|c")->find_all(text, spans);
  ASSERT_EQ(spans.size(), 1U);
  EXPECT_EQ(spans.front().end, text.size());
}

TEST(Expression, EndsWhereItWouldTryForever) {
  const std::unique_ptr<Expression> expression = expression_of("(a+)+$");
  std::string text(64, 'a');
  text += '!';
  std::vector<TextSpan> spans;
  try {
    expression->find_all(text, spans);
    FAIL() << "found something";
  } catch (const Error& error) {
    const std::string_view message = error.what();
    EXPECT_NE(message.find("\"(a+)+$\" takes too long on a text of 65 bytes"), std::string_view::npos) << message;
  }
  expression->find_all("aaa", spans);
  EXPECT_EQ(spans.size(), 1U) << "the next text is read as ever";
}

TEST(Expression, NamesWhatItDoesNotSupport) {
  const auto message = [](const std::string& pattern) -> std::string {
    try {
      expression_of(pattern);
    } catch (const Error& error) {
      return error.what();
    }
    return {};
  };
  const auto says = [&](const std::string& pattern, std::string_view text) {
    EXPECT_NE(message(pattern).find(text), std::string::npos) << pattern << ": " << message(pattern);
  };
  says("a)", "a ) without (");
  says("(a", "a ( without )");
  says("[a", "its end too early");
  says("*a", "nothing to repeat");
  says("\\p{Elvish}", "the unknown property \"Elvish\"");
  says("(?~a)", "an unknown kind of group");
  says("a{3,2}", "an interval whose end is below its start");
  says("\\x{110000}", "a number of no character");
  says("\\k<n>", "a reference to the unknown group \"n\"");
  says(std::string(1000, '('), "nested too deeply");
  says(std::string(1000, '['), "nested too deeply");
  says("\\1", "is not understood");
}

}  // namespace
}  // namespace temper
