// Reference values marked "scikit-learn" were computed once with scikit-learn and SciPy on the same formulas.
#include "runtime/tasks/metrics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "runtime/tasks/scores.h"

namespace temper {
namespace {

using Expected = std::vector<std::pair<std::string, double>>;

void expect_values(const Metrics& metrics, const Expected& expected) {
  for (const auto& [name, value] : expected) EXPECT_NEAR(metrics.value(name), value, 1e-12) << name;
}

ClassificationCounts counts_of(std::int64_t classes, const std::vector<std::pair<int, int>>& pairs) {
  ClassificationCounts counts;
  counts.resize(classes);
  for (const auto& [truth, predicted] : pairs) counts.add(truth, predicted);
  return counts;
}

/// 200 rows of 9 classes, of which some occur nowhere and some only as predictions.
ClassificationCounts many_rows() {
  ClassificationCounts counts;
  counts.resize(9);
  for (int i = 0; i < 200; ++i) {
    const int truth = (i * i + 3 * i) % 7 % 6;
    counts.add(truth, i % 3 != 0 ? truth : (i * 5 + 1) % 9);
  }
  return counts;
}

MultiLabelCounts many_label_rows() {
  MultiLabelCounts counts;
  counts.resize(5);
  for (int row = 0; row < 60; ++row) {
    std::vector<float> truths(5);
    std::vector<float> logits(5);
    for (int label = 0; label < 5; ++label) {
      const bool truth = (row * row + label * row) % (label + 2) == 0 && label != 4;
      const bool guess = (row * 3 + label * row * row) % (label + 3) < 2 && label != 4;
      truths[static_cast<std::size_t>(label)] = truth ? 1.0F : 0.0F;
      logits[static_cast<std::size_t>(label)] = (row % 2 == 0 ? truth : guess) ? 0.5F : -0.5F;
    }
    counts.add(truths, logits);
  }
  return counts;
}

RegressionPairs many_pairs() {
  RegressionPairs pairs;
  for (int i = 0; i < 200; ++i) {
    const double truth = (i * 37 % 41) / 8.0;
    pairs.truths.push_back(truth);
    pairs.predictions.push_back(truth * 0.5 + (i * i * 11 % 17) / 4.0 - 1.0);
  }
  return pairs;
}

// Confusion [[1, 1], [0, 2]]: class 0 has precision 1 and recall 1/2, class 1 precision 2/3 and recall 1.
TEST(ClassificationMetrics, MatchAHandComputedCase) {
  ClassificationCounts counts = counts_of(2, {{0, 0}, {0, 1}, {1, 1}, {1, 1}});
  counts.loss_sum = 3.0;
  counts.loss_weight = 4.0;
  const Metrics metrics = classification_metrics(counts);
  expect_values(metrics, {{"loss", 0.75},
                          {"accuracy", 0.75},
                          {"macro_precision", (1.0 + 2.0 / 3.0) / 2.0},
                          {"macro_recall", 0.75},
                          {"macro_f1", (2.0 / 3.0 + 0.8) / 2.0},
                          {"matthews", 2.0 / std::sqrt(1.0 * 3.0 * 2.0 * 2.0)}});
  EXPECT_EQ(metrics.confusion, (std::vector<std::vector<std::int64_t>>{{1, 1}, {0, 2}}));
  EXPECT_EQ(metrics.values.front().first, "loss");
}

TEST(ClassificationMetrics, MatchScikitLearn) {
  expect_values(classification_metrics(many_rows()), {{"accuracy", 0.695},
                                                      {"macro_precision", 0.622950819672131},
                                                      {"macro_recall", 0.459735905856596},
                                                      {"macro_f1", 0.523944685401042},
                                                      {"weighted_precision", 0.923934426229508},
                                                      {"weighted_recall", 0.695},
                                                      {"weighted_f1", 0.784915096683835},
                                                      {"matthews", 0.63385067890961}});
}

TEST(ClassificationMetrics, MatthewsOfThreeClassesMatchesScikitLearn) {
  const auto counts = counts_of(3, {{0, 0}, {0, 0}, {0, 1}, {1, 1}, {1, 1}, {1, 1}, {1, 2}, {2, 2}, {2, 0}, {2, 2}});
  expect_values(classification_metrics(counts), {{"matthews", 6.0 / 11.0}, {"macro_f1", 0.694444444444444}});
}

TEST(ClassificationMetrics, OneClassPredictedForAllHasNoCorrelation) {
  EXPECT_EQ(classification_metrics(counts_of(2, {{0, 1}, {1, 1}})).value("matthews"), 0.0);
}

TEST(ClassificationMetrics, NoRowsGiveZeros) {
  for (const auto& [name, value] : classification_metrics(counts_of(3, {})).values) EXPECT_EQ(value, 0.0) << name;
}

TEST(ClassificationMetrics, RowsWithoutALabelAreNotCounted) {
  EXPECT_EQ(counts_of(2, {{-100, 1}, {1, 1}}).confusion, (std::vector<std::int64_t>{0, 0, 0, 1}));
}

TEST(ClassificationMetrics, AClassOutOfRangeIsRefused) {
  EXPECT_THROW(counts_of(2, {{0, 2}}), Error);
  EXPECT_THROW(counts_of(2, {{2, 0}}), Error);
}

TEST(ClassificationMetrics, FlatCountsOfTwoRanksAdd) {
  const ClassificationCounts one = counts_of(2, {{0, 0}, {0, 1}});
  const ClassificationCounts two = counts_of(2, {{1, 1}});
  std::vector<std::int64_t> sum = one.flat();
  for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += two.flat()[i];
  ClassificationCounts both = counts_of(2, {});
  both.set_flat(sum);
  EXPECT_EQ(both.confusion, counts_of(2, {{0, 0}, {0, 1}, {1, 1}}).confusion);
}

TEST(RegressionMetrics, MatchScikitLearnAndScipy) {
  expect_values(regression_metrics(many_pairs()), {{"mean_squared_error", 1.685078125},
                                                   {"mean_absolute_error", 1.066875},
                                                   {"pearson", 0.575678665431122},
                                                   {"spearman", 0.560379101552967},
                                                   {"r2", 0.235467177087764}});
}

// Truth ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4: covariance 4.5, variations 4.5 and 5.
TEST(RegressionMetrics, TiesShareTheMeanOfTheirRanks) {
  const Metrics metrics = regression_metrics({{1.0, 2.0, 3.0, 40.0}, {0.0, 5.0, 5.0, 6.0}});
  EXPECT_NEAR(metrics.value("spearman"), 4.5 / std::sqrt(4.5 * 5.0), 1e-12);
}

TEST(RegressionMetrics, SpearmanSeesOnlyTheOrder) {
  EXPECT_NEAR(regression_metrics({{1.0, 10.0, 1000.0}, {0.1, 0.2, 0.3}}).value("spearman"), 1.0, 1e-12);
}

TEST(RegressionMetrics, ConstantTruthsHaveNoCorrelation) {
  const Metrics inexact = regression_metrics({{1.0, 2.0}, {3.0, 3.0}});
  expect_values(inexact, {{"pearson", 0.0}, {"spearman", 0.0}, {"r2", 0.0}});
  EXPECT_EQ(regression_metrics({{3.0, 3.0}, {3.0, 3.0}}).value("r2"), 1.0);
}

TEST(RegressionMetrics, SeveralOutputsAreScoredApartAndAveraged) {
  // The first output is exact, the second is reversed.
  const Metrics metrics = regression_metrics({{1.0, 30.0, 2.0, 20.0, 3.0, 10.0},
                                              {1.0, 10.0, 2.0, 20.0, 3.0, 30.0},
                                              /*loss_sum=*/0.0,
                                              /*loss_weight=*/0.0,
                                              /*outputs=*/2});
  EXPECT_NEAR(metrics.value("pearson"), 0.0, 1e-12);
  EXPECT_NEAR(metrics.value("mean_squared_error"), 800.0 / 6.0, 1e-12);
}

TEST(RegressionMetrics, NotANumberIsNotHidden) {
  const Metrics metrics = regression_metrics({{std::numeric_limits<double>::quiet_NaN(), 1.0}, {1.0, 2.0}});
  EXPECT_TRUE(std::isnan(metrics.value("pearson")));
  EXPECT_TRUE(std::isnan(metrics.value("spearman")));
}

TEST(RegressionMetrics, UnequalLengthsAreRefused) { EXPECT_THROW(regression_metrics({{1.0}, {1.0, 2.0}}), Error); }

TEST(MultiLabelMetrics, MatchScikitLearn) {
  expect_values(multi_label_metrics(many_label_rows()), {{"subset_accuracy", 0.5},
                                                         {"micro_precision", 0.636871508379888},
                                                         {"micro_recall", 0.919354838709677},
                                                         {"micro_f1", 0.752475247524752},
                                                         {"macro_precision", 0.528571428571429},
                                                         {"macro_recall", 0.75},
                                                         {"macro_f1", 0.605454545454545},
                                                         {"weighted_f1", 0.761730205278592},
                                                         {"hamming_loss", 0.25}});
}

TEST(MultiLabelMetrics, FlatCountsAreRestored) {
  const MultiLabelCounts counts = many_label_rows();
  MultiLabelCounts restored;
  restored.resize(5);
  restored.set_flat(counts.flat());
  EXPECT_EQ(multi_label_metrics(restored).values, multi_label_metrics(counts).values);
  EXPECT_THROW(restored.set_flat(std::vector<std::int64_t>(3)), Error);
}

TEST(LanguageModelMetrics, PerplexityIsTheExponentialOfTheMeanLoss) {
  const LanguageModelCounts counts{/*tokens=*/8, /*correct=*/2, /*loss_sum=*/8.0 * std::log(5.0), /*loss_weight=*/8.0};
  expect_values(language_model_metrics(counts), {{"loss", std::log(5.0)}, {"perplexity", 5.0}, {"accuracy", 0.25}});
}

TEST(Metrics, AMistypedNameIsAnsweredWithTheNearest) {
  try {
    static_cast<void>(classification_metrics(counts_of(2, {})).value("macro_f2"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_NE(std::string(error.what()).find("did you mean 'macro_f1'?"), std::string::npos) << error.what();
  }
  try {
    require_possible_metric("f1", task_named("sequence-classification"));
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("did you mean 'macro_f1'?"), std::string::npos) << error.what();
  }
  EXPECT_NO_THROW(require_possible_metric("entity_f1", task_named("token-classification")));
  EXPECT_NO_THROW(require_possible_metric("", task_named("sequence-classification")));
}

TEST(Metrics, LossesAndErrorsAreBetterWhenLow) {
  EXPECT_FALSE(higher_is_better("loss"));
  EXPECT_FALSE(higher_is_better("perplexity"));
  EXPECT_FALSE(higher_is_better("mean_squared_error"));
  EXPECT_TRUE(higher_is_better("accuracy"));
  EXPECT_TRUE(higher_is_better("pearson"));
}

}  // namespace
}  // namespace temper
