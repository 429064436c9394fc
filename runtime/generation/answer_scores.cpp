#include "runtime/generation/answer_scores.h"

#include <unicode/locid.h>
#include <unicode/unistr.h>
#include <unicode/uregex.h>

#include <algorithm>
#include <map>

#include "base/error.h"

namespace temper {
namespace {

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

bool is_ascii_punctuation(char c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

std::vector<std::string> words_of(const std::string& normalised) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : normalised + ' ') {
    if (c != ' ') {
      word += c;
    } else if (!word.empty()) {
      words.push_back(std::move(word));
      word.clear();
    }
  }
  return words;
}

/// Of words, how many two lists share, each as often as it is in both.
std::size_t shared_words(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  std::map<std::string, std::size_t> left;
  for (const std::string& word : a) ++left[word];
  std::size_t shared = 0;
  for (const std::string& word : b) {
    const auto found = left.find(word);
    if (found == left.end() || found->second == 0) continue;
    --found->second;
    ++shared;
  }
  return shared;
}

double f1_of_words(const std::vector<std::string>& answer, const std::vector<std::string>& reference) {
  // As SQuAD 2 has it: nothing is right where nothing is expected.
  if (answer.empty() || reference.empty()) return answer.size() == reference.size() ? 1.0 : 0.0;
  const auto shared = static_cast<double>(shared_words(answer, reference));
  return 2.0 * shared / static_cast<double>(answer.size() + reference.size());
}

/// 1,234 and 1234 are one number.
std::string without_commas_in_numbers(std::string_view text) {
  const auto is_digit = [&](std::size_t i) { return i < text.size() && text[i] >= '0' && text[i] <= '9'; };
  std::string kept;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (text[i] != ',' || i == 0 || !is_digit(i - 1) || !is_digit(i + 1)) kept += text[i];
  return kept;
}

/// In ICU's units of work: some seconds.
constexpr int kMatchLimit = 5000;

}  // namespace

std::string squad_normalised(std::string_view text) {
  icu::UnicodeString letters = icu::UnicodeString::fromUTF8({text.data(), static_cast<int32_t>(text.size())});
  std::string lower;
  letters.toLower(icu::Locale::getRoot()).toUTF8String(lower);
  std::string plain;
  for (const char c : lower)
    if (!is_ascii_punctuation(c)) plain += is_space(c) ? ' ' : c;
  std::string normalised;
  for (const std::string& word : words_of(plain))
    if (word != "a" && word != "an" && word != "the") normalised += (normalised.empty() ? "" : " ") + word;
  return normalised;
}

struct CapturePattern::Compiled {
  std::string pattern;
  URegularExpression* expression = nullptr;
  ~Compiled() { uregex_close(expression); }
};

CapturePattern::CapturePattern(const std::string& pattern) : compiled_(std::make_unique<Compiled>()) {
  compiled_->pattern = pattern;
  const icu::UnicodeString text = icu::UnicodeString::fromUTF8(pattern);
  UErrorCode status = U_ZERO_ERROR;
  UParseError where{};
  compiled_->expression = uregex_open(text.getBuffer(), text.length(), UREGEX_MULTILINE, &where, &status);
  if (U_FAILURE(status))
    throw usage_error(
        "the pattern '{}' is no regular expression: {} at character {}; see \"Patterns\" in docs/generate.md", pattern,
        u_errorName(status), where.offset);
  uregex_setTimeLimit(compiled_->expression, kMatchLimit, &status);
}

CapturePattern::~CapturePattern() = default;
CapturePattern::CapturePattern(CapturePattern&&) noexcept = default;
CapturePattern& CapturePattern::operator=(CapturePattern&&) noexcept = default;

std::optional<std::string> CapturePattern::find(std::string_view text) const {
  const icu::UnicodeString subject = icu::UnicodeString::fromUTF8({text.data(), static_cast<int32_t>(text.size())});
  URegularExpression* expression = compiled_->expression;
  UErrorCode status = U_ZERO_ERROR;
  uregex_setText(expression, subject.getBuffer(), subject.length(), &status);
  const bool found = uregex_find(expression, 0, &status) != 0;
  if (U_FAILURE(status))
    throw Error("the pattern '{}' cannot be matched: {}; make it simpler", compiled_->pattern, u_errorName(status));
  if (!found) return std::nullopt;
  const int group = uregex_groupCount(expression, &status) > 0 ? 1 : 0;
  const std::int32_t begin = uregex_start(expression, group, &status);
  const std::int32_t end = uregex_end(expression, group, &status);
  if (begin < 0) return std::nullopt;  // the group took no part in the match
  std::string captured;
  subject.tempSubStringBetween(begin, end).toUTF8String(captured);
  return without_commas_in_numbers(trimmed(captured));
}

AnswerScore score_answer(std::string_view answer, std::string_view reference, const CapturePattern* pattern) {
  const std::string normalised = squad_normalised(answer);
  const std::string expected = squad_normalised(reference);
  AnswerScore score;
  score.exact = trimmed(answer) == trimmed(reference);
  if (expected.empty()) {
    // Nothing is left of it to compare with: it is taken as it stands.
    const std::string_view wanted = trimmed(reference);
    score.normalised = score.exact;
    score.contained = wanted.empty() ? score.exact : answer.find(wanted) != std::string_view::npos;
    score.f1 = score.exact ? 1.0 : 0.0;
  } else {
    score.normalised = normalised == expected;
    score.contained = (" " + normalised + " ").find(" " + expected + " ") != std::string::npos;
    score.f1 = f1_of_words(words_of(normalised), words_of(expected));
  }
  if (pattern == nullptr) return score;
  // A column of references may hold just what is to be captured.
  const std::string wanted = pattern->find(reference).value_or(without_commas_in_numbers(trimmed(reference)));
  score.captured = pattern->find(answer) == wanted;
  return score;
}

Metrics answer_metrics(const std::vector<AnswerScore>& scores, bool with_pattern) {
  const auto rows = static_cast<double>(std::max<std::size_t>(scores.size(), 1));
  const auto mean = [&](const auto& value_of) {
    double sum = 0.0;
    for (const AnswerScore& score : scores) sum += static_cast<double>(value_of(score));
    return sum / rows;
  };
  Metrics metrics;
  metrics.values = {{"exact_match", mean([](const AnswerScore& s) { return s.exact ? 1 : 0; })},
                    {"normalised_match", mean([](const AnswerScore& s) { return s.normalised ? 1 : 0; })},
                    {"contained", mean([](const AnswerScore& s) { return s.contained ? 1 : 0; })},
                    {"f1", mean([](const AnswerScore& s) { return s.f1; })}};
  if (with_pattern)
    metrics.values.emplace_back("captured", mean([](const AnswerScore& s) { return s.captured ? 1 : 0; }));
  return metrics;
}

}  // namespace temper
