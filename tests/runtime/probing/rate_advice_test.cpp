#include "runtime/probing/rate_advice.h"

#include <gtest/gtest.h>

#include "tests/runtime/probing/probed.h"

namespace temper {
namespace {

using testing_support::kNotFinite;
using testing_support::probed;

TEST(RateAdvice, IsTheRateThatLowersTheLossMost) {
  const RateAdvice advice = advise(probed(2.0, {{1e-5, 1.98}, {1e-4, 1.8}, {1e-3, 1.0}, {1e-2, 1.5}}));
  EXPECT_EQ(advice.recommended, 2U);
  EXPECT_EQ(advice.lowest, 2U);
  EXPECT_EQ(advice.notes, (std::vector<std::string>{"", "", "recommended", ""}));
  EXPECT_EQ(advice.sentence, "");
}

TEST(RateAdvice, IsTheSmallestOfThoseThatAreAsGood) {
  // Of a fall of 1.0, 0.96 is as good, and 0.94 is not.
  const RateAdvice advice = advise(probed(2.0, {{1e-5, 1.9}, {1e-4, 1.06}, {3e-4, 1.04}, {1e-3, 1.0}, {1e-2, 1.5}}));
  EXPECT_EQ(advice.recommended, 2U);
  EXPECT_EQ(advice.lowest, 3U);
  EXPECT_EQ(advice.notes[2], "recommended");
  EXPECT_EQ(advice.notes[3], "lowest loss");
}

TEST(RateAdvice, GoesByValidationRowsWhereThereAreSome) {
  // The training loss falls with the rate.
  const RateAdvice advice = advise(probed(2.0, {{0.1, 1.9}, {0.2, 1.5}, {0.3, 1.8}}, true));
  EXPECT_EQ(advice.recommended, 1U);
}

TEST(RateAdvice, LeavesOutWhatDiverged) {
  const RateAdvice advice = advise(probed(2.0, {{1e-4, 1.9}, {1e-3, 1.5}, {1e-2, 2.1}, {1e-1, kNotFinite}}));
  EXPECT_EQ(advice.recommended, 1U);
  EXPECT_EQ(advice.notes[2], "diverged: worse than the untrained model");
  EXPECT_EQ(advice.notes[3], "diverged: not finite in step 3");
  ProbedCurve curve = probed(2.0, {{1e-4, 1.9}, {1e-3, 1.5}}, true);
  curve.rates[1].end.validation = kNotFinite;
  EXPECT_EQ(advise(curve).notes[1], "diverged: not finite behind its last step");
  EXPECT_EQ(advise(curve).recommended, 0U);
}

TEST(RateAdvice, SaysWhenTheBestRateMayLieBeyondTheTriedOnes) {
  EXPECT_NE(advise(probed(2.0, {{1e-5, 1.9}, {1e-4, 1.5}})).sentence.find("The highest rate has the lowest loss"),
            std::string::npos);
  EXPECT_NE(advise(probed(2.0, {{1e-2, 1.5}, {1e-1, 1.9}})).sentence.find("The lowest rate is as good as any"),
            std::string::npos);
  EXPECT_EQ(advise(probed(2.0, {{1e-4, 1.9}, {1e-3, 1.5}, {1e-2, kNotFinite}})).sentence, "");
}

TEST(RateAdvice, SaysWhenStepsWereTooFewToTell) {
  const RateAdvice advice = advise(probed(2.0, {{1e-5, 1.999}, {1e-4, 1.99}, {1e-3, 1.995}}));
  EXPECT_EQ(advice.recommended, 1U);
  EXPECT_NE(advice.sentence.find("No rate lowered the training loss by more than 0.50 %"), std::string::npos)
      << advice.sentence;
}

TEST(RateAdvice, RecommendsNoneWhereNoneLearns) {
  for (const RateAdvice& advice : {advise(probed(2.0, {{1e-4, 2.0}, {1e-3, 2.5}})),
                                   advise(probed(2.0, {{1e-4, kNotFinite}, {1e-3, kNotFinite}}))}) {
    EXPECT_FALSE(advice.recommended);
    EXPECT_FALSE(advice.lowest);
    EXPECT_NE(advice.sentence.find("No rate lowered the training loss of 2.0000 in 20 steps"), std::string::npos)
        << advice.sentence;
  }
}

TEST(RateAdvice, AveragesTheTrainingLossOverAQuarterOfTheSteps) {
  EXPECT_EQ(last_steps_of(1), 1);
  EXPECT_EQ(last_steps_of(4), 1);
  EXPECT_EQ(last_steps_of(5), 2);
  EXPECT_EQ(last_steps_of(40), 10);
}

}  // namespace
}  // namespace temper
