#include "runtime/generation/answer_scores.h"

#include <gtest/gtest.h>

#include "tests/data/temporary_folder.h"

namespace temper {
namespace {

using testing_support::error_of;

TEST(AnswerScores, NormaliseAsSquadDoes) {
  EXPECT_EQ(squad_normalised("  The  Eiffel-Tower, an\tICON of \u00C9t\u00E9! "), "eiffeltower icon of \u00E9t\u00E9");
  EXPECT_EQ(squad_normalised("a an the"), "");
}

TEST(AnswerScores, AreThoseOfWords) {
  const AnswerScore score = score_answer(" The cat sat.", "a cat sat down", nullptr);
  EXPECT_FALSE(score.exact);
  EXPECT_FALSE(score.normalised);
  EXPECT_FALSE(score.contained);
  EXPECT_DOUBLE_EQ(score.f1, 2.0 * 1.0 * (2.0 / 3.0) / (1.0 + 2.0 / 3.0));
}

TEST(AnswerScores, CountAWordAsOftenAsBothHaveIt) {
  EXPECT_DOUBLE_EQ(score_answer("no no no", "no yes", nullptr).f1, 0.4);
}

TEST(AnswerScores, TellExactFromNormalisedAndContained) {
  EXPECT_TRUE(score_answer(" Paris\n", "Paris", nullptr).exact);
  EXPECT_TRUE(score_answer("paris.", "Paris", nullptr).normalised);
  EXPECT_FALSE(score_answer("paris.", "Paris", nullptr).exact);
  EXPECT_TRUE(score_answer("It is Paris, I think", "Paris", nullptr).contained);
  EXPECT_FALSE(score_answer("parisian", "paris", nullptr).contained);
  EXPECT_DOUBLE_EQ(score_answer("", "", nullptr).f1, 1.0);
  // A reference of which normalising leaves nothing is taken as it stands.
  EXPECT_FALSE(score_answer(", , ,", "the the", nullptr).normalised);
  EXPECT_FALSE(score_answer("word", "!", nullptr).contained);
  EXPECT_TRUE(score_answer("the the", "the the", nullptr).normalised);
  EXPECT_TRUE(score_answer("word!", "!", nullptr).contained);
  EXPECT_DOUBLE_EQ(score_answer("word", "", nullptr).f1, 0.0);
}

TEST(AnswerScores, CompareWhatAPatternCaptures) {
  const CapturePattern pattern("#### (-?[0-9.,]+)");
  EXPECT_EQ(pattern.find("so 3+4=7\n#### 1,234\nmore #### 5").value_or(""), "1234");
  EXPECT_TRUE(score_answer("thus\n#### 72", "48/2 = 24\n#### 72", &pattern).captured);
  EXPECT_FALSE(score_answer("thus 72", "48/2 = 24\n#### 72", &pattern).captured);
  EXPECT_FALSE(score_answer("#### 7", "#### 72", &pattern).captured);
  EXPECT_TRUE(score_answer("#### 1,000", "1000", &pattern).captured);
}

TEST(AnswerScores, RefuseWhatIsNoPattern) {
  EXPECT_HAS(error_of([] { CapturePattern("(unclosed"); }), "the pattern '(unclosed' is no regular expression");
}

TEST(AnswerScores, EndAPatternThatTriesTooMuch) {
  const CapturePattern pattern("(a+)+$");
  std::string subject(60, 'a');
  subject.push_back('b');
  EXPECT_HAS(error_of([&] { (void)pattern.find(subject); }), "make it simpler");
}

TEST(AnswerScores, AreMeansOverRows) {
  const Metrics metrics = answer_metrics({{true, true, true, 1.0, false}, {false, false, true, 0.5, true}}, true);
  EXPECT_DOUBLE_EQ(metrics.value("exact_match"), 0.5);
  EXPECT_DOUBLE_EQ(metrics.value("contained"), 1.0);
  EXPECT_DOUBLE_EQ(metrics.value("f1"), 0.75);
  EXPECT_DOUBLE_EQ(metrics.value("captured"), 0.5);
  EXPECT_EQ(answer_metrics({}, false).values.size(), 4U);
}

}  // namespace
}  // namespace temper
