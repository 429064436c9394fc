// Runs alone and under mpirun: what is measured has the same bits on any number of ranks.
#include "runtime/tasks/row_measures.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "runtime/tasks/probabilities.h"
#include "runtime/tasks/resampling.h"
#include "runtime/tasks/row_scores.h"
#include "tests/runtime/tasks/row_outputs_fixture.h"
#include "tests/world.h"

namespace temper {
namespace {

using testing_support::four_classes;
using testing_support::kMeasuredRows;
using testing_support::three_labels;
using testing_support::two_classes;

const std::vector<std::string> kTwo{"healthy", "ill"};
const std::vector<std::string> kFour{"a", "b", "c", "d"};
const std::vector<std::string> kThree{"x", "y", "z"};

using MeasuredValues = std::vector<std::pair<std::string, double>>;

double measured_value(const MeasuredValues& values, const std::string& name) {
  const auto found = std::find_if(values.begin(), values.end(), [&](const auto& entry) { return entry.first == name; });
  return found == values.end() ? std::nan("") : found->second;
}

/// The communicator of this process alone.
Communicator& this_process_alone() {
  static const std::unique_ptr<Communicator> communicator = make_solo_communicator();
  return *communicator;
}

TEST(RowOutputs, AProbabilityHasTheBitsOfTheWholeSoftmax) {
  constexpr int kRows = 7;
  constexpr int kColumns = 23;
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0.0F, 20.0F);
  std::vector<std::vector<float>> logits(kRows, std::vector<float>(kColumns));
  for (std::vector<float>& row : logits)
    for (float& logit : row) logit = normal(random);
  Communicator& world = world_communicator();
  RowOutputs outputs(kRows + 1, kColumns, false, {});
  for (int row = world.rank(); row < kRows; row += world.size())
    outputs.put(row, logits[static_cast<std::size_t>(row)], row);
  outputs.gather(world);
  for (int row = 0; row < kRows; ++row) {
    const std::vector<double> expected = softmax(logits[static_cast<std::size_t>(row)]);
    for (int column = 0; column < kColumns; ++column)
      EXPECT_EQ(outputs.probability(row, column), expected[static_cast<std::size_t>(column)]) << row << ", " << column;
  }
  EXPECT_EQ(outputs.probability(kRows, 3), 1.0 / kColumns) << "of a row that is not there";
}

TEST(RowMeasures, MatchScikitLearn) {
  const MeasuredValues two = row_measures(two_classes(), -1, nullptr);
  EXPECT_NEAR(measured_value(two, "auroc"), 0.6431250000000002, 1e-14);
  EXPECT_NEAR(measured_value(two, "average_precision"), 0.8166098657836177, 1e-14);
  EXPECT_NEAR(measured_value(two, "brier_score"), 0.2584555304938834, 1e-14);
  const MeasuredValues four = row_measures(four_classes(), -1, nullptr);
  EXPECT_NEAR(measured_value(four, "auroc"), 0.5047532467532467, 1e-14);
  EXPECT_NEAR(measured_value(four, "average_precision"), 0.3454582576571794, 1e-14);
  const MeasuredValues labels = row_measures(three_labels(), -1, nullptr);
  EXPECT_NEAR(measured_value(labels, "auroc"), 0.46359567901234566, 1e-14);
  EXPECT_NEAR(measured_value(labels, "average_precision"), 0.3903506401249852, 1e-14);
}

TEST(RowMeasures, AreOfTheClassThatIsNamed) {
  const MeasuredValues of_b = row_measures(four_classes(), 1, nullptr);
  EXPECT_NEAR(measured_value(of_b, "auroc"), 0.3890909090909091, 1e-14);
  EXPECT_NEAR(measured_value(of_b, "average_precision"), 0.07786683904330963, 1e-14);
  // Of two classes the area is the same from either side.
  EXPECT_NEAR(measured_value(row_measures(two_classes(), 0, nullptr), "auroc"), 0.6431250000000002, 1e-14);
}

TEST(RowMeasures, AClassThatIsAbsentIsLeftOutOfTheMean) {
  RowOutputs outputs(3, 3, false, {});
  outputs.put(0, std::vector<float>{2.0F, 0.0F, 0.0F}, 0);
  outputs.put(1, std::vector<float>{0.0F, 2.0F, 0.0F}, 1);
  outputs.put(2, std::vector<float>{0.0F, 1.0F, 0.0F}, 1);
  EXPECT_EQ(measured_value(row_measures(outputs, -1, nullptr), "auroc"), 1.0);
  EXPECT_EQ(measured_value(row_measures(outputs, -1, nullptr), "average_precision"), 1.0);
  RowOutputs one_kind(1, 2, false, {});
  one_kind.put(0, std::vector<float>{2.0F, 0.0F}, 0);
  EXPECT_TRUE(std::isnan(measured_value(row_measures(one_kind, -1, nullptr), "auroc")));
}

TEST(RowMeasures, OfADivergedModelAreNotNumbers) {
  RowOutputs outputs = two_classes();
  outputs.put(5, std::vector<float>{std::nanf(""), 0.0F}, 1);
  for (const auto& [name, value] : row_measures(outputs, -1, nullptr)) EXPECT_TRUE(std::isnan(value)) << name;
}

/// What is measured of these rows in all.
struct Judged {
  std::optional<Calibration> calibration;
  Metrics metrics;
};

Judged judge(RowOutputs outputs, const std::vector<std::string>& labels, Communicator& communicator) {
  outputs.gather(communicator);
  MeasureSettings settings;
  settings.specificity = 0.8;
  settings.sensitivity = 0.8;
  settings.resamples = 101;
  settings.seed = 5;
  Judged judged{fit_calibration(outputs, labels, settings, communicator), {}};
  judged.metrics.values = row_measures(outputs, settings.positive, &communicator);
  judged.metrics.values.emplace_back("accuracy", 0.0);
  add_row_measures(judged.metrics, outputs, labels, settings, judged.calibration, communicator);
  return judged;
}

void expect_same(const Judged& one, const Judged& other) {
  EXPECT_EQ(one.calibration, other.calibration);
  EXPECT_EQ(one.metrics.values, other.metrics.values);
  EXPECT_EQ(one.metrics.intervals, other.metrics.intervals);
  ASSERT_EQ(one.metrics.classes.size(), other.metrics.classes.size());
  for (std::size_t i = 0; i < one.metrics.classes.size(); ++i) {
    EXPECT_EQ(one.metrics.classes[i].values, other.metrics.classes[i].values);
    EXPECT_EQ(one.metrics.classes[i].intervals, other.metrics.classes[i].intervals);
    EXPECT_EQ(one.metrics.classes[i].positives, other.metrics.classes[i].positives);
  }
}

TEST(RowMeasures, AreTheSameOnAnyRanks) {
  Communicator& world = world_communicator();
  const int rank = world.rank();
  const int ranks = world.size();
  expect_same(judge(two_classes(rank, ranks), kTwo, world), judge(two_classes(), kTwo, this_process_alone()));
  expect_same(judge(four_classes(rank, ranks), kFour, world), judge(four_classes(), kFour, this_process_alone()));
  expect_same(judge(three_labels(rank, ranks), kThree, world), judge(three_labels(), kThree, this_process_alone()));
}

TEST(RowMeasures, ThresholdsAreThoseOfScikitLearnsCurve) {
  const Judged judged = judge(two_classes(), kTwo, this_process_alone());
  ASSERT_TRUE(judged.calibration.has_value());
  ASSERT_EQ(judged.calibration->thresholds.size(), 1U);
  const ClassThresholds& chosen = judged.calibration->thresholds.front();
  EXPECT_EQ(chosen.label, "ill");
  EXPECT_NEAR(chosen.youden, 0.7772998611746911, 1e-14);
  EXPECT_NEAR(chosen.at_specificity, 0.679178699175393, 1e-14);
  EXPECT_NEAR(chosen.at_sensitivity, 0.2689414213699951, 1e-14);
  EXPECT_EQ(judged.metrics.value("sensitivity"), 0.35);
  EXPECT_EQ(judged.metrics.value("specificity"), 1.0);
  EXPECT_EQ(judged.metrics.value("sensitivity_at_specificity"), 0.4);
  EXPECT_EQ(judged.metrics.value("specificity_at_sensitivity"), 0.25);
  EXPECT_LT(judged.metrics.value("calibrated_brier_score"), judged.metrics.value("brier_score"));
}

TEST(RowMeasures, OtherRowsAreMeasuredWithTheThresholdsThatWereChosen) {
  const RowOutputs validation = two_classes();
  // In these rows the ill have lower probabilities: their own best threshold would be another.
  RowOutputs test(4, 2, false, {});
  test.put(0, std::vector<float>{0.0F, 2.0F}, 1);
  test.put(1, std::vector<float>{0.0F, 0.5F}, 1);
  test.put(2, std::vector<float>{0.0F, -1.0F}, 0);
  test.put(3, std::vector<float>{0.0F, -2.0F}, 0);
  const Calibration chosen = fit_calibration(validation, kTwo, {}, this_process_alone()).value();
  Metrics metrics;
  add_row_measures(metrics, test, kTwo, {.resamples = 0}, chosen, this_process_alone());
  EXPECT_EQ(metrics.value("auroc"), 1.0);
  EXPECT_EQ(metrics.value("sensitivity"), 0.5) << "only the first reaches 0.777";
  EXPECT_EQ(metrics.value("specificity"), 1.0);
  EXPECT_TRUE(metrics.intervals.empty());
  Metrics without;
  add_row_measures(without, test, kTwo, {.resamples = 0}, std::nullopt, this_process_alone());
  EXPECT_TRUE(std::isnan(measured_value(without.values, "sensitivity"))) << "where nothing was chosen";
}

TEST(RowMeasures, AClassThatValidationLacksHasNoThreshold) {
  RowOutputs validation(2, 3, false, {});
  validation.put(0, std::vector<float>{1.0F, 0.0F, 0.0F}, 0);
  validation.put(1, std::vector<float>{0.0F, 1.0F, 0.0F}, 1);
  const Calibration chosen = fit_calibration(validation, {"a", "b", "c"}, {}, this_process_alone()).value();
  EXPECT_EQ(chosen.thresholds.size(), 2U);
  EXPECT_EQ(chosen.of("c"), nullptr);
}

TEST(RowMeasures, RowsOfOneClassGiveNeitherThresholdNorTemperature) {
  RowOutputs normal(3, 2, false, {});
  for (int row = 0; row < 3; ++row) normal.put(row, std::vector<float>{1.0F + static_cast<float>(row), 0.0F}, 0);
  EXPECT_EQ(fit_calibration(normal, {"normal", "ill"}, {}, this_process_alone()), std::nullopt);
  EXPECT_EQ(uncalibrated_note(normal, {"normal", "ill"}),
            "validation rows are all \"normal\": no AUROC, threshold or temperature is taken from them");
  EXPECT_EQ(uncalibrated_note(two_classes(), kTwo), "");
  EXPECT_EQ(uncalibrated_note(three_labels(), kThree), "");
  RowOutputs labels(2, 2, true, {});
  for (int row = 0; row < 2; ++row) labels.put(row, std::vector<float>{-1.0F, 2.0F}, std::vector<float>{0.0F, 1.0F});
  EXPECT_EQ(fit_calibration(labels, {"x", "y"}, {}, this_process_alone()), std::nullopt);
  EXPECT_NE(uncalibrated_note(labels, {"x", "y"}).find("agree on each label"), std::string::npos);
}

/// Five ill and seven healthy rows that any threshold between them tells apart, in groups of two.
RowOutputs all_right(bool grouped) {
  std::vector<std::int32_t> groups;
  for (int row = 0; row < 12; ++row) groups.push_back(row / 2);
  RowOutputs outputs(12, 2, false, grouped ? std::span<const std::int32_t>(groups) : std::span<const std::int32_t>());
  for (int row = 0; row < 12; ++row)
    outputs.put(row, std::vector<float>{0.0F, (row < 5 ? 2.0F : -2.0F) + 0.1F * static_cast<float>(row)},
                row < 5 ? 1 : 0);
  return outputs;
}

TEST(RowMeasures, RatesAtTheirEndsHaveExactIntervals) {
  const auto measured = [&](bool by_group, std::string& note) {
    const RowOutputs outputs = all_right(by_group);
    Metrics metrics;
    metrics.values.emplace_back("accuracy", 1.0);
    note = add_row_measures(metrics, outputs, kTwo, {.resamples = 50},
                            fit_calibration(outputs, kTwo, {}, this_process_alone()), this_process_alone());
    return metrics;
  };
  std::string note;
  const Metrics rows = measured(false, note);
  // The lower bound p of 5 of 5, 7 of 7 and 12 of 12 solves p^n = 0.025.
  ASSERT_NE(rows.interval("sensitivity"), nullptr);
  EXPECT_NEAR(rows.interval("sensitivity")->low, 0.4781762498950185, 1e-12);
  EXPECT_EQ(rows.interval("sensitivity")->high, 1.0);
  EXPECT_NEAR(rows.interval("specificity")->low, 0.5903836027749966, 1e-12);
  EXPECT_NEAR(rows.interval("accuracy")->low, 0.7353515306029488, 1e-12);
  EXPECT_EQ(rows.interval("auroc"), nullptr) << "of which no exact one is known";
  EXPECT_NE(rows.interval("brier_score"), nullptr);
  EXPECT_EQ(note, "no interval of auroc, average_precision: all resamples of 12 rows give the same value");
  ASSERT_EQ(rows.classes.size(), 1U);
  EXPECT_EQ(rows.classes[0].intervals.front().name, "sensitivity");
  // The ill are of three groups, the healthy of four, one of them of both.
  const Metrics groups = measured(true, note);
  EXPECT_NEAR(groups.interval("sensitivity")->low, std::pow(0.025, 1.0 / 3), 1e-15);
  EXPECT_NEAR(groups.interval("specificity")->low, std::pow(0.025, 1.0 / 4), 1e-15);
  EXPECT_NEAR(groups.interval("accuracy")->low, std::pow(0.025, 1.0 / 6), 1e-15);
  EXPECT_NE(note.find("6 groups"), std::string::npos) << note;
}

TEST(Resampling, TheIntervalOfNothingIsTheOtherEnd) {
  EXPECT_EQ(interval_at_end(false, 4), (Interval{0.0, 1.0 - std::pow(0.025, 0.25)}));
  EXPECT_TRUE(std::isnan(interval_at_end(true, 0).low));
}

/// Logits of any number of classes, by whole-number formulas; `columns` - 1 is no row's class.
RowOutputs many_classes(int columns, int rank = 0, int ranks = 1) {
  RowOutputs outputs(kMeasuredRows, columns, false, {});
  testing_support::for_each_row_of(rank, ranks, [&](int row) {
    std::vector<float> logits;
    for (int c = 0; c < columns; ++c) logits.push_back(static_cast<float>((row * (c + 3) + c * c) % 31) / 8.0F);
    outputs.put(row, logits, row * row % (columns - 1));
  });
  return outputs;
}

std::vector<std::string> names_of_classes(int columns) {
  std::vector<std::string> names;
  for (int c = 0; c < columns; ++c) names.push_back(std::to_string(c));
  return names;
}

TEST(RowMeasures, OfMoreClassesThanRanksAreTheSameOnAnyRanks) {
  Communicator& world = world_communicator();
  for (const int columns : {3, 5, 11})
    expect_same(judge(many_classes(columns, world.rank(), world.size()), names_of_classes(columns), world),
                judge(many_classes(columns), names_of_classes(columns), this_process_alone()));
}

TEST(RowMeasures, TheIntervalOfAMeanIsThatOfTheClassesOfEachResample) {
  const RowOutputs outputs = many_classes(5);
  constexpr std::int64_t kResamples = 40;
  Metrics metrics;
  add_row_measures(metrics, outputs, names_of_classes(5), {.resamples = kResamples, .seed = 2}, std::nullopt,
                   this_process_alone());
  const Resampling resampling({}, kMeasuredRows, 2);
  std::vector<double> means;
  std::vector<double> of_first;
  std::vector<std::uint32_t> times;
  for (std::int64_t r = 0; r < kResamples; ++r) {
    resampling.draw(r, times);
    double sum = 0.0;
    int count = 0;
    for (int column = 0; column < 5; ++column) {
      const double area = ranking_of(outputs, column).auroc(times);
      if (column == 0) of_first.push_back(area);
      if (std::isnan(area)) continue;
      sum += area;
      ++count;
    }
    means.push_back(sum / count);
  }
  EXPECT_EQ(*metrics.interval("auroc"), percentile_interval(means));
  ASSERT_EQ(metrics.classes.size(), 5U);
  EXPECT_EQ(metrics.classes[0].intervals.front(), (NamedInterval{"auroc", percentile_interval(of_first)}));
  EXPECT_TRUE(metrics.classes[4].values.empty() || metrics.classes[4].values.front().first != "auroc");
}

TEST(RowMeasures, ResamplesAreBounded) {
  const auto counts = [](std::int64_t rows, std::int64_t columns, std::int64_t asked) {
    return resample_counts(RowOutputs(rows, columns, false, {}), {.resamples = asked});
  };
  EXPECT_EQ(counts(1000, 20, 1000), (ResampleCounts{1000, 1000}));
  EXPECT_EQ(counts(50000, 100, 1000), (ResampleCounts{400, 1000}));
  EXPECT_EQ(counts(50000, 100, 400), (ResampleCounts{400, 400}));
  EXPECT_EQ(counts(50000, 201, 1000), (ResampleCounts{0, 1000})) << "199 would be too few";
  EXPECT_EQ(counts(1000, 20, 1000000), (ResampleCounts{100000, 1000000}));
  EXPECT_EQ(counts(0, 20, 1000), (ResampleCounts{0, 0}));
  const RowOutputs wide(50000, 100, false, {});
  EXPECT_EQ(resample_counts(wide, {.positive = 3, .resamples = 1000}), (ResampleCounts{1000, 1000}));
  EXPECT_EQ(resample_note(wide, {.positive = 3, .resamples = 1000}), "");
  EXPECT_EQ(resample_note(wide, {.resamples = 1000}),
            "50,000 rows and 100 classes: intervals from 400 resamples for the figures of classes and intervals from "
            "1,000 resamples for those of all rows, since 1,000 would take long");
  EXPECT_NE(resample_note(RowOutputs(20000, 1000, false, {}), {.resamples = 1000}).find("no intervals for the figures"),
            std::string::npos);
  // Of several labels each is a statement of its own.
  EXPECT_EQ(resample_counts(RowOutputs(50000, 100, true, {}), {.resamples = 1000}), (ResampleCounts{400, 400}));
  EXPECT_EQ(resample_note(RowOutputs(0, 3, false, {}), {.resamples = 1000}), "");
}

TEST(RowMeasures, IntervalsHoldTheFigure) {
  const Judged judged = judge(two_classes(), kTwo, this_process_alone());
  for (const char* name : {"auroc", "average_precision", "brier_score", "sensitivity", "calibrated_loss"}) {
    const Interval* interval = judged.metrics.interval(name);
    ASSERT_NE(interval, nullptr) << name;
    EXPECT_LT(interval->low, judged.metrics.value(name)) << name;
    EXPECT_GT(interval->high, judged.metrics.value(name)) << name;
  }
  EXPECT_LT(judged.metrics.interval("auroc")->high - judged.metrics.interval("auroc")->low, 0.5);
}

TEST(RowMeasures, IntervalsAreThoseOfWholeGroups) {
  // Six rows of each of ten patients are alike: as if there were ten rows.
  std::vector<std::int32_t> groups;
  const auto alike = [&](std::vector<std::int32_t> of_groups) {
    RowOutputs outputs(kMeasuredRows, 2, false, of_groups);
    for (int row = 0; row < kMeasuredRows; ++row) {
      const int patient = row / 6;
      outputs.put(row, std::vector<float>{0.0F, static_cast<float>(patient * patient % 7)}, patient % 3 == 0 ? 1 : 0);
    }
    return outputs;
  };
  for (int row = 0; row < kMeasuredRows; ++row) groups.push_back(100 + row / 6);
  const auto width = [&](const RowOutputs& outputs) {
    Metrics metrics;
    add_row_measures(metrics, outputs, kTwo, {.resamples = 400}, std::nullopt, this_process_alone());
    return metrics.interval("auroc")->high - metrics.interval("auroc")->low;
  };
  EXPECT_GT(width(alike(groups)), 1.5 * width(alike({})));
}

TEST(Resampling, IsAFunctionOfSeedAndNumber) {
  const Resampling one({}, 50, 3);
  const Resampling other({}, 50, 4);
  std::vector<std::uint32_t> a;
  std::vector<std::uint32_t> b;
  one.draw(7, a);
  one.draw(7, b);
  EXPECT_EQ(a, b);
  one.draw(8, b);
  EXPECT_NE(a, b);
  other.draw(7, b);
  EXPECT_NE(a, b);
  std::uint32_t sum = 0;
  for (const std::uint32_t times : a) sum += times;
  EXPECT_EQ(sum, 50U);
}

TEST(Resampling, TakesWholeGroups) {
  const Resampling grouped(std::vector<std::int32_t>{9, 4, 9, 4, 9}, 5, 1);
  EXPECT_EQ(grouped.groups(), 2);
  std::vector<std::uint32_t> times;
  for (int number = 0; number < 20; ++number) {
    grouped.draw(number, times);
    EXPECT_EQ(times[0], times[2]);
    EXPECT_EQ(times[0], times[4]);
    EXPECT_EQ(times[1], times[3]);
    EXPECT_EQ(times[0] + times[1], 2U);
  }
}

// numpy.percentile([1, 2, ..., 9], [2.5, 97.5])
TEST(Resampling, PercentilesAreNumpys) {
  const Interval interval = percentile_interval({9, 1, 8, 2, 7, 3, std::nan(""), 6, 4, 5});
  EXPECT_NEAR(interval.low, 1.2, 1e-15);
  EXPECT_NEAR(interval.high, 8.8, 1e-15);
  EXPECT_TRUE(std::isnan(percentile_interval({std::nan("")}).low));
}

TEST(RowScores, AreThoseOfTheGatheredRows) {
  Communicator& world = world_communicator();
  const RowOutputs all = four_classes();
  const std::unique_ptr<Scores> scores = make_row_class_scores({.outputs = 4, .rows = kMeasuredRows});
  const Batch none;
  for (int first = 7 * world.rank(); first < kMeasuredRows; first += 7 * world.size()) {
    const int rows = std::min(7, kMeasuredRows - first);
    std::vector<std::int32_t> classes;
    for (int row = first; row < first + rows; ++row) classes.push_back(all.class_of(row));
    const std::span<const float> outputs(all.logits(first).data(), static_cast<std::size_t>(4 * rows));
    scores->add({none, first, classes, outputs, 4});
  }
  scores->reduce(world);
  const Metrics metrics = scores->metrics(1.0, 1.0);
  const MeasuredValues expected = row_measures(all, -1, nullptr);
  for (const auto& [name, value] : expected) EXPECT_EQ(metrics.value(name), value) << name;
  ASSERT_NE(scores->outputs(), nullptr);
  EXPECT_TRUE(std::ranges::equal(scores->outputs()->logits(17), all.logits(17)));
  EXPECT_EQ(scores->outputs()->class_of(17), all.class_of(17));
}

}  // namespace
}  // namespace temper
