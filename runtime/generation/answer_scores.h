// How generated answers compare with references: the measures of SQuAD (Rajpurkar, Zhang, Liang, Liang: "SQuAD", 2016)
// and what a pattern captures, as for GSM8K (Cobbe et al.: "Training verifiers to solve math word problems", 2021).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/tasks/metrics.h"

namespace temper {

/// As SQuAD's evaluation has it: lower case, without ASCII punctuation, without the words a, an and the, words apart by
/// single spaces.
std::string squad_normalised(std::string_view text);

/// A regular expression (ICU's syntax) of which a match is wanted.
class CapturePattern {
 public:
  /// Throws a usage Error, saying where, for an expression that is none.
  explicit CapturePattern(const std::string& pattern);
  ~CapturePattern();
  CapturePattern(CapturePattern&&) noexcept;
  CapturePattern& operator=(CapturePattern&&) noexcept;

  /// The first group of the first match, or all of the match where there is no group, without space around it and
  /// without commas between digits; nothing where nothing matches. Throws Error for a match that tries too much.
  [[nodiscard]] std::optional<std::string> find(std::string_view text) const;

 private:
  struct Compiled;
  std::unique_ptr<Compiled> compiled_;
};

struct AnswerScore {
  bool exact = false;       ///< the same but for space around it
  bool normalised = false;  ///< the same, both as SQuAD's evaluation has them
  bool contained = false;   ///< the reference's words, so normalised, stand in the answer in their order, side by side
  double f1 = 0.0;          ///< harmonic mean of precision and recall of the normalised words
  bool captured = false;    ///< what the pattern finds in the answer is what it finds in the reference, or all of that
};

/// `pattern` may be null.
AnswerScore score_answer(std::string_view answer, std::string_view reference, const CapturePattern* pattern);

/// exact_match, normalised_match, contained, f1 and, with a pattern, captured: means over the scores, in their order.
Metrics answer_metrics(const std::vector<AnswerScore>& scores, bool with_pattern);

}  // namespace temper
