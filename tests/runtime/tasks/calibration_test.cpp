#include "runtime/tasks/calibration.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/counter_random.h"
#include "runtime/tasks/probabilities.h"
#include "tests/runtime/tasks/row_outputs_fixture.h"

namespace temper {
namespace {

using testing_support::four_classes;
using testing_support::three_labels;
using testing_support::two_classes;

/// Rows of `classes` whose truths are drawn by what their logits say, before these are multiplied by `factor`.
RowOutputs drawn_rows(std::int64_t rows, std::int64_t classes, bool several, float factor) {
  RowOutputs outputs(rows, classes, several, {});
  for (std::int64_t row = 0; row < rows; ++row) {
    CounterRandom random{17, static_cast<std::uint64_t>(row)};
    std::vector<float> logits;
    for (std::int64_t c = 0; c < classes; ++c) logits.push_back(static_cast<float>(4.0 * random.uniform() - 2.0));
    std::vector<float> targets;
    for (const float logit : logits) targets.push_back(random.uniform() < sigmoid(logit) ? 1.0F : 0.0F);
    double left = random.uniform();
    std::int32_t truth = 0;
    for (const double p : softmax(logits)) {
      left -= p;
      if (left < 0.0) break;
      ++truth;
    }
    for (float& logit : logits) logit *= factor;
    if (several)
      outputs.put(row, logits, targets);
    else
      outputs.put(row, logits, std::min(truth, static_cast<std::int32_t>(classes - 1)));
  }
  return outputs;
}

TEST(Probabilities, ATemperatureDividesTheLogits) {
  const std::vector<float> logits{1.0F, 3.0F};
  EXPECT_NEAR(softmax(logits, 2.0)[1], 1.0 / (1.0 + std::exp(-1.0)), 1e-15);
  EXPECT_EQ(softmax(logits), softmax(logits, 1.0));
  EXPECT_NEAR(sigmoid(3.0, 3.0), 1.0 / (1.0 + std::exp(-1.0)), 1e-15);
}

TEST(BrierScore, MatchesAHandComputedCase) {
  RowOutputs outputs(2, 2, false, {});
  const auto logit = static_cast<float>(std::log(3.0));  // probabilities 3/4 and 1/4
  outputs.put(0, std::vector<float>{0.0F, logit}, 1);
  outputs.put(1, std::vector<float>{0.0F, logit}, 0);
  EXPECT_NEAR(RowErrors(outputs).brier_score(), (1.0 / 16.0 + 9.0 / 16.0) / 2.0, 1e-7);
  EXPECT_NEAR(RowErrors(outputs).loss(), (std::log(4.0 / 3.0) + std::log(4.0)) / 2.0, 1e-7);
  EXPECT_EQ(RowErrors(outputs).accuracy(), 0.5);
}

TEST(BrierScore, MatchesScikitLearn) {
  EXPECT_NEAR(RowErrors(two_classes()).brier_score(), 0.2584555304938834, 1e-14);
  EXPECT_NEAR(RowErrors(four_classes()).brier_score(), 0.9326341481990875, 1e-14);
  EXPECT_NEAR(RowErrors(three_labels()).brier_score(), 0.32882419931874507, 1e-14);
}

// By numpy, with the same bins.
TEST(CalibrationError, MatchesItsDefinition) {
  EXPECT_NEAR(expected_calibration_error(RowErrors(two_classes()).bins()), 0.20172707833302905, 1e-14);
  EXPECT_NEAR(expected_calibration_error(RowErrors(four_classes()).bins()), 0.348021552615608, 1e-14);
  EXPECT_NEAR(expected_calibration_error(RowErrors(three_labels()).bins()), 0.24885085180487101, 1e-14);
}

TEST(CalibrationError, ABinHasItsUpperEdge) {
  RowOutputs outputs(3, 1, true, {});
  for (int row = 0; row < 3; ++row) outputs.put(row, std::vector<float>{0.0F}, std::vector<float>{1.0F});
  const CalibrationBins bins = RowErrors(outputs).bins();
  EXPECT_EQ(bins[7].count, 3) << "one half is in (7/15, 8/15]";
  RowOutputs sure(2, 1, true, {});
  sure.put(0, std::vector<float>{100.0F}, std::vector<float>{1.0F});
  sure.put(1, std::vector<float>{-1000.0F}, std::vector<float>{0.0F});
  EXPECT_EQ(RowErrors(sure).bins().back().count, 1);
  EXPECT_EQ(RowErrors(sure).bins().front().count, 1);
  EXPECT_EQ(expected_calibration_error(RowErrors(sure).bins()), 0.0);
}

TEST(CalibrationError, WithoutRowsThereIsNone) {
  const RowErrors none{RowOutputs(0, 2, false, {})};
  EXPECT_TRUE(std::isnan(none.brier_score()));
  EXPECT_TRUE(std::isnan(expected_calibration_error(none.bins())));
  RowOutputs unlabelled(1, 2, false, {});
  unlabelled.put(0, std::vector<float>{1.0F, 2.0F}, -100);
  EXPECT_TRUE(std::isnan(RowErrors(unlabelled).accuracy()));
}

TEST(RowErrors, RowsCountAsOftenAsTheyAreTaken) {
  std::vector<std::uint32_t> times(testing_support::kMeasuredRows, 0U);
  times[3] = 2;
  times[5] = 1;
  RowOutputs taken(3, 4, false, {});
  const RowOutputs all = four_classes();
  for (const auto& [place, row] : {std::pair(0, 3), std::pair(1, 3), std::pair(2, 5)})
    taken.put(place, all.logits(row), all.class_of(row));
  EXPECT_NEAR(RowErrors(all).brier_score(times), RowErrors(taken).brier_score(), 1e-15);
  EXPECT_NEAR(RowErrors(all).loss(times), RowErrors(taken).loss(), 1e-15);
  EXPECT_NEAR(expected_calibration_error(RowErrors(all).bins(times)),
              expected_calibration_error(RowErrors(taken).bins()), 1e-15);
}

// The root of the derivative, by SciPy's brentq.
TEST(Temperature, MinimisesTheLogLikelihood) {
  EXPECT_NEAR(fitted_temperature(two_classes()), 2.751477945802815, 1e-9);
}

TEST(Temperature, IsFoundAgain) {
  for (const bool several : {false, true})
    for (const float factor : {0.4F, 1.0F, 2.5F}) {
      const RowOutputs drawn = drawn_rows(20000, 3, several, factor);
      const double found = fitted_temperature(drawn);
      EXPECT_NEAR(found / factor, 1.0, 0.05) << several << " " << factor;
      EXPECT_LE(RowErrors(drawn, found).loss(), RowErrors(drawn).loss()) << several << " " << factor;
      if (factor > 2.0F) {
        EXPECT_LT(expected_calibration_error(RowErrors(drawn, found).bins()),
                  0.3 * expected_calibration_error(RowErrors(drawn).bins()));
      }
    }
}

TEST(Temperature, StaysOneWhereRowsHaveNone) {
  EXPECT_EQ(fitted_temperature(four_classes()), 1.0) << "no better than chance";
  RowOutputs right(2, 2, false, {});
  right.put(0, std::vector<float>{1.0F, -1.0F}, 0);
  right.put(1, std::vector<float>{-0.5F, 1.0F}, 1);
  EXPECT_EQ(fitted_temperature(right), 1.0) << "the surer the better";
  EXPECT_EQ(fitted_temperature(RowOutputs(0, 2, false, {})), 1.0);
  RowOutputs lost(1, 2, false, {});
  lost.put(0, std::vector<float>{std::nanf(""), 1.0F}, 0);
  EXPECT_EQ(fitted_temperature(lost), 1.0);
}

}  // namespace
}  // namespace temper
