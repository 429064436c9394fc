// Values marked "scikit-learn" were computed once with roc_auc_score, average_precision_score and roc_curve.
#include "runtime/tasks/ranking.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "runtime/tasks/operating_points.h"

namespace temper {
namespace {

using ScoreList = std::vector<double>;
using PositiveList = std::vector<std::uint8_t>;

// Pairs in order: (0.9 > 0.8), (0.9 > 0.3), (0.7 > 0.3) of four; 0.7 stands below 0.8.
TEST(Ranking, CountsPairsInOrder) {
  const Ranking ranking(ScoreList{0.9, 0.8, 0.7, 0.3}, PositiveList{1, 0, 1, 0});
  EXPECT_EQ(ranking.auroc(), 0.75);
  EXPECT_NEAR(ranking.average_precision(), 0.5 * 1.0 + 0.5 * 2.0 / 3.0, 1e-15);
}

TEST(Ranking, TiesCountHalf) {
  // One of the four pairs is in order, one tied, and one of the positives is below all.
  EXPECT_EQ(Ranking(ScoreList{0.5, 0.5, 0.1, 0.2}, PositiveList{1, 0, 1, 0}).auroc(), (0.5 + 1.0) / 4.0);
  const Ranking equal(ScoreList{0.5, 0.5, 0.5, 0.5, 0.5}, PositiveList{1, 0, 0, 1, 0});
  EXPECT_EQ(equal.auroc(), 0.5);
  EXPECT_EQ(equal.average_precision(), 0.4) << "the part that is positive";
  EXPECT_EQ(equal.curve().points.size(), 2U);
}

TEST(Ranking, TheOrderOfRowsDoesNotMatter) {
  const Ranking one(ScoreList{0.2, 0.9, 0.2, 0.6, 0.9}, PositiveList{0, 1, 1, 0, 0});
  const Ranking other(ScoreList{0.9, 0.6, 0.2, 0.9, 0.2}, PositiveList{0, 0, 1, 1, 0});
  EXPECT_EQ(one.auroc(), other.auroc());
  EXPECT_EQ(one.average_precision(), other.average_precision());
}

TEST(Ranking, OfOneKindOfRowsHasNoArea) {
  for (const std::uint8_t kind : {std::uint8_t{0}, std::uint8_t{1}}) {
    const Ranking ranking(ScoreList{0.5, 0.7}, PositiveList{kind, kind});
    EXPECT_TRUE(std::isnan(ranking.auroc()));
    EXPECT_FALSE(ranking.curve().is_defined());
  }
  EXPECT_TRUE(std::isnan(Ranking(ScoreList{0.5}, PositiveList{1}).auroc())) << "a single row";
  EXPECT_EQ(Ranking(ScoreList{0.5}, PositiveList{1}).average_precision(), 1.0);
  EXPECT_TRUE(std::isnan(Ranking(ScoreList{0.5}, PositiveList{0}).average_precision()));
  EXPECT_TRUE(std::isnan(Ranking(ScoreList{}, PositiveList{}).auroc()));
}

TEST(Ranking, RowsWithoutALabelAreNotLookedAt) {
  const Ranking ranking(ScoreList{0.9, 0.95, 0.8, 0.7, 0.3}, PositiveList{1, kNeither, 0, 1, 0});
  EXPECT_EQ(ranking.auroc(), 0.75);
  EXPECT_EQ(ranking.curve().negatives, 2);
}

TEST(Ranking, WhatIsNotANumberHasNoOrder) {
  const Ranking ranking(ScoreList{0.9, std::nan(""), 0.3}, PositiveList{1, 1, 0});
  EXPECT_TRUE(std::isnan(ranking.auroc()));
  EXPECT_TRUE(std::isnan(ranking.average_precision()));
}

TEST(Ranking, RowsCountAsOftenAsTheyAreTaken) {
  const std::vector<std::uint32_t> times{2, 0, 1, 3};
  const Ranking taken(ScoreList{0.9, 0.8, 0.7, 0.3}, PositiveList{1, 0, 1, 0});
  const Ranking written(ScoreList{0.9, 0.9, 0.7, 0.3, 0.3, 0.3}, PositiveList{1, 1, 1, 0, 0, 0});
  EXPECT_EQ(taken.auroc(times), written.auroc());
  EXPECT_EQ(taken.average_precision(times), written.average_precision());
  EXPECT_EQ(taken.rates(0.8, times).sensitivity, 2.0 / 3.0);
  EXPECT_EQ(taken.rates(0.8, times).specificity, 1.0);
  EXPECT_TRUE(std::isnan(taken.auroc(std::vector<std::uint32_t>{1, 0, 1, 0}))) << "no negative row is taken";
}

// Sensitivities 1/3, 2/3, 2/3, 1 and specificities 1, 1, 1/2, 1/2 at 0.9, 0.8, 0.6, 0.4.
struct CurveOfFive : testing::Test {
  Ranking ranking{ScoreList{0.9, 0.8, 0.6, 0.4, 0.2}, PositiveList{1, 1, 0, 1, 0}};
  RocCurve curve = ranking.curve();
};

TEST_F(CurveOfFive, BeginsWithNoRowAndEndsWithAll) {
  ASSERT_EQ(curve.points.size(), 6U);
  EXPECT_TRUE(std::isinf(curve.points.front().threshold));
  EXPECT_EQ(curve.points.front().true_positives, 0);
  EXPECT_EQ(curve.points.back().true_positives, 3);
  EXPECT_EQ(curve.points.back().false_positives, 2);
}

TEST_F(CurveOfFive, YoudensThresholdIsTheHighestOfTheBest) {
  EXPECT_EQ(chosen_thresholds(curve, 0.95, 0.95).youden, 0.8);
  // One and two of two positives, none and one of two negatives: both gain one half.
  const RocCurve tied = Ranking(ScoreList{0.9, 0.7, 0.5, 0.3}, PositiveList{1, 0, 1, 0}).curve();
  EXPECT_EQ(chosen_thresholds(tied, 0.95, 0.95).youden, 0.9);
}

TEST_F(CurveOfFive, StatedSpecificityAndSensitivityAreHeld) {
  const ClassThresholds strict = chosen_thresholds(curve, 0.95, 0.95);
  EXPECT_EQ(strict.at_specificity, 0.8);
  EXPECT_EQ(strict.at_sensitivity, 0.4);
  const ClassThresholds lenient = chosen_thresholds(curve, 0.5, 2.0 / 3.0);
  EXPECT_EQ(lenient.at_specificity, 0.4);
  EXPECT_EQ(lenient.at_sensitivity, 0.8) << "two thirds are reached exactly";
  const DetectionRates rates = ranking.rates(lenient.at_specificity);
  EXPECT_EQ(rates.sensitivity, 1.0);
  EXPECT_EQ(rates.specificity, 0.5);
}

TEST_F(CurveOfFive, WhereNoThresholdIsSpecificEnoughNoRowIsCalledPositive) {
  const RocCurve wrong = Ranking(ScoreList{0.9, 0.1}, PositiveList{0, 1}).curve();
  const ClassThresholds chosen = chosen_thresholds(wrong, 0.95, 0.95);
  EXPECT_TRUE(std::isinf(chosen.at_specificity));
  EXPECT_TRUE(std::isinf(chosen.youden)) << "none is better than chance";
  EXPECT_EQ(chosen.at_sensitivity, 0.1);
}

TEST_F(CurveOfFive, TheRuleSaysWhichThresholdDecides) {
  const ClassThresholds chosen{"a", 0.1, 0.2, 0.3};
  EXPECT_EQ(chosen.by(threshold_rule("youden")), 0.1);
  EXPECT_EQ(chosen.by(threshold_rule("specificity")), 0.2);
  EXPECT_EQ(chosen.by(threshold_rule("sensitivity")), 0.3);
  EXPECT_THROW((void)threshold_rule("luck"), Error);
}

}  // namespace
}  // namespace temper
