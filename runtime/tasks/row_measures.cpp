#include "runtime/tasks/row_measures.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "runtime/tasks/calibration.h"
#include "runtime/tasks/resampling.h"

namespace temper {
namespace {

constexpr double kUnmeasured = std::numeric_limits<double>::quiet_NaN();

/// Numbers of which each comes from one rank; without a communicator they are all here.
void gather_doubles(std::vector<double>& values, Communicator* communicator) {
  if (communicator != nullptr) communicator->all_reduce(std::span(values), Reduction::sum);
}

bool is_mine(std::int64_t number, const Communicator* communicator) {
  return communicator == nullptr || number % communicator->size() == communicator->rank();
}

/// A mean that leaves out what is NaN.
struct MeanOfDefined {
  double sum = 0.0;
  std::int64_t count = 0;

  void add(double value) {
    if (std::isnan(value)) return;
    sum += value;
    ++count;
  }
  [[nodiscard]] double value() const { return count == 0 ? kUnmeasured : sum / static_cast<double>(count); }
};

/// What is measured of one class against the others, in this order.
enum OfClass : std::size_t {
  kAuroc,
  kAveragePrecision,
  kSensitivity,
  kSpecificity,
  kSensitivityAtSpecificity,
  kSpecificityAtSensitivity,
  kOfClass
};
constexpr std::array<const char*, kOfClass> kClassNames{
    "auroc",       "average_precision",          "sensitivity",
    "specificity", "sensitivity_at_specificity", "specificity_at_sensitivity"};
using ClassValues = std::array<double, kOfClass>;

/// Of a class without thresholds the first two.
ClassValues class_values(const Ranking& ranking, const ClassThresholds* thresholds, ThresholdRule rule,
                         RowTimes times) {
  ClassValues values;
  values.fill(kUnmeasured);
  values[kAuroc] = ranking.auroc(times);
  values[kAveragePrecision] = ranking.average_precision(times);
  if (thresholds == nullptr) return values;
  const DetectionRates rates = ranking.rates(thresholds->by(rule), times);
  values[kSensitivity] = rates.sensitivity;
  values[kSpecificity] = rates.specificity;
  values[kSensitivityAtSpecificity] = ranking.rates(thresholds->at_specificity, times).sensitivity;
  values[kSpecificityAtSensitivity] = ranking.rates(thresholds->at_sensitivity, times).specificity;
  return values;
}

/// What is measured of all rows, in this order.
enum OfRows : std::size_t {
  kAccuracy,
  kBrier,
  kCalibrationError,
  kCalibratedLoss,
  kCalibratedBrier,
  kCalibratedError,
  kOfRows
};
constexpr std::array<const char*, kOfRows> kRowNames{"accuracy",
                                                     "brier_score",
                                                     "expected_calibration_error",
                                                     "calibrated_loss",
                                                     "calibrated_brier_score",
                                                     "calibrated_expected_calibration_error"};
using RowValues = std::array<double, kOfRows>;

class RowMeasurement {
 public:
  RowMeasurement(const RowOutputs& outputs, const std::optional<Calibration>& calibration) : raw_(outputs) {
    if (calibration) calibrated_.emplace(outputs, calibration->temperature);
  }
  [[nodiscard]] RowValues values(RowTimes times) const {
    RowValues values;
    values.fill(kUnmeasured);
    values[kAccuracy] = raw_.accuracy(times);
    values[kBrier] = raw_.brier_score(times);
    values[kCalibrationError] = expected_calibration_error(raw_.bins(times));
    if (!calibrated_) return values;
    values[kCalibratedLoss] = calibrated_->loss(times);
    values[kCalibratedBrier] = calibrated_->brier_score(times);
    values[kCalibratedError] = expected_calibration_error(calibrated_->bins(times));
    return values;
  }

 private:
  RowErrors raw_;
  std::optional<RowErrors> calibrated_;
};

/// Values of some measures of each resample, of which every rank computes its own.
class ResampledValues {
 public:
  ResampledValues(std::size_t measures, std::int64_t resamples)
      : measures_(measures), values_(measures * static_cast<std::size_t>(resamples), 0.0) {}

  void put(std::int64_t resample, std::span<const double> values) {
    std::copy(values.begin(), values.end(),
              values_.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(resample) * measures_));
  }
  void gather(Communicator& communicator) { gather_doubles(values_, &communicator); }
  [[nodiscard]] Interval interval(std::size_t measure) const {
    std::vector<double> of_measure;
    for (std::size_t i = measure; i < values_.size(); i += measures_) of_measure.push_back(values_[i]);
    return percentile_interval(std::move(of_measure));
  }

 private:
  std::size_t measures_;
  std::vector<double> values_;  ///< [resamples, measures]
};

void add_value(std::vector<std::pair<std::string, double>>& values, const char* name, double value) {
  const auto known = std::find_if(values.begin(), values.end(), [&](const auto& entry) { return entry.first == name; });
  if (known == values.end() && !std::isnan(value)) values.emplace_back(name, value);
}

void add_interval(std::vector<NamedInterval>& intervals, const std::vector<std::pair<std::string, double>>& values,
                  const char* name, const Interval& interval) {
  const bool known = std::any_of(values.begin(), values.end(), [&](const auto& entry) { return entry.first == name; });
  if (known && !std::isnan(interval.low)) intervals.push_back({name, interval});
}

}  // namespace

const ClassThresholds* Calibration::of(std::string_view label) const {
  const auto found = std::find_if(thresholds.begin(), thresholds.end(),
                                  [&](const ClassThresholds& entry) { return entry.label == label; });
  return found == thresholds.end() ? nullptr : &*found;
}

std::vector<std::int64_t> judged_classes(const RowOutputs& outputs, std::int32_t positive) {
  if (positive >= 0) return {positive};
  if (!outputs.several() && outputs.columns() == 2) return {1};
  std::vector<std::int64_t> all;
  for (std::int64_t column = 0; column < outputs.columns(); ++column) all.push_back(column);
  return all;
}

Ranking ranking_of(const RowOutputs& outputs, std::int64_t column) {
  std::vector<double> scores;
  std::vector<std::uint8_t> positive;
  for (std::int64_t row = 0; row < outputs.rows(); ++row) {
    scores.push_back(outputs.probability(row, column));
    positive.push_back(!outputs.is_labelled(row) ? kNeither : outputs.is_true(row, column) ? 1 : 0);
  }
  return {scores, positive};
}

std::vector<std::string> row_measure_names() {
  return {"auroc", "average_precision", "brier_score", "expected_calibration_error"};
}

std::vector<std::pair<std::string, double>> row_measures(const RowOutputs& outputs, std::int32_t positive,
                                                         Communicator* communicator) {
  const std::vector<std::int64_t> classes = judged_classes(outputs, positive);
  // [classes, 2] then two of all rows.
  std::vector<double> values(2 * classes.size() + 2, 0.0);
  for (std::size_t i = 0; i < classes.size(); ++i) {
    if (!is_mine(static_cast<std::int64_t>(i), communicator)) continue;
    const Ranking ranking = ranking_of(outputs, classes[i]);
    values[2 * i] = ranking.auroc();
    values[2 * i + 1] = ranking.average_precision();
  }
  if (is_mine(0, communicator)) {
    const RowErrors errors(outputs);
    values[values.size() - 2] = errors.brier_score();
    values[values.size() - 1] = expected_calibration_error(errors.bins());
  }
  gather_doubles(values, communicator);
  MeanOfDefined auroc;
  MeanOfDefined precision;
  for (std::size_t i = 0; i < classes.size(); ++i) {
    auroc.add(values[2 * i]);
    precision.add(values[2 * i + 1]);
  }
  return {{"auroc", auroc.value()},
          {"average_precision", precision.value()},
          {"brier_score", values[values.size() - 2]},
          {"expected_calibration_error", values[values.size() - 1]}};
}

Calibration fit_calibration(const RowOutputs& outputs, const std::vector<std::string>& labels,
                            const MeasureSettings& settings, Communicator& communicator) {
  Calibration calibration{.temperature = 1.0,
                          .rule = settings.rule,
                          .specificity = settings.specificity,
                          .sensitivity = settings.sensitivity,
                          .positive = {},
                          .thresholds = {}};
  const auto label_of = [&](std::int64_t column) { return labels.at(static_cast<std::size_t>(column)); };
  if (settings.positive >= 0) calibration.positive = label_of(settings.positive);
  const std::vector<std::int64_t> classes = judged_classes(outputs, settings.positive);
  // The temperature, then of each class whether it has thresholds, and these.
  constexpr std::size_t kNumbers = 4;
  std::vector<double> numbers(1 + kNumbers * classes.size(), 0.0);
  for (std::size_t i = 0; i < classes.size() && communicator.rank() == 0; ++i) {
    const RocCurve curve = ranking_of(outputs, classes[i]).curve();
    if (!curve.is_defined()) continue;
    const ClassThresholds chosen = chosen_thresholds(curve, settings.specificity, settings.sensitivity);
    const std::array<double, kNumbers> of_class{1.0, chosen.youden, chosen.at_specificity, chosen.at_sensitivity};
    std::copy(of_class.begin(), of_class.end(), numbers.begin() + static_cast<std::ptrdiff_t>(1 + kNumbers * i));
  }
  if (communicator.rank() == 0) numbers.front() = fitted_temperature(outputs);
  communicator.broadcast(std::as_writable_bytes(std::span(numbers)), 0);
  calibration.temperature = numbers.front();
  for (std::size_t i = 0; i < classes.size(); ++i) {
    const double* of_class = &numbers[1 + kNumbers * i];
    if (of_class[0] > 0.0)
      calibration.thresholds.push_back({label_of(classes[i]), of_class[1], of_class[2], of_class[3]});
  }
  return calibration;
}

void add_row_measures(Metrics& metrics, const RowOutputs& outputs, const std::vector<std::string>& labels,
                      const MeasureSettings& settings, const std::optional<Calibration>& calibration,
                      Communicator& communicator) {
  const Resampling resampling(outputs.groups(), outputs.rows(), settings.seed);
  const std::int64_t resamples = outputs.rows() == 0 ? 0 : settings.resamples;
  std::vector<std::uint32_t> times;
  const auto for_each_own = [&](const auto& use) {
    for (std::int64_t r = communicator.rank(); r < resamples; r += communicator.size()) {
      resampling.draw(r, times);
      use(r);
    }
  };
  const ThresholdRule rule = calibration ? calibration->rule : settings.rule;

  std::array<MeanOfDefined, kOfClass> means;
  std::vector<std::array<MeanOfDefined, kOfClass>> resampled_means(static_cast<std::size_t>(resamples));
  for (const std::int64_t column : judged_classes(outputs, settings.positive)) {
    const Ranking ranking = ranking_of(outputs, column);
    ClassMeasures of_class{labels.at(static_cast<std::size_t>(column)), 0, {}, {}};
    for (std::int64_t row = 0; row < outputs.rows(); ++row) of_class.positives += outputs.is_true(row, column) ? 1 : 0;
    const ClassThresholds* thresholds = calibration ? calibration->of(of_class.label) : nullptr;
    // Probabilities may differ in their last bits between machines; what all ranks tell comes from one.
    std::vector<double> values(kOfClass, 0.0);
    if (communicator.rank() == 0) {
      const ClassValues mine = class_values(ranking, thresholds, rule, {});
      values.assign(mine.begin(), mine.end());
    }
    gather_doubles(values, &communicator);
    ResampledValues resampled(kOfClass, resamples);
    for_each_own([&](std::int64_t r) {
      const ClassValues mine = class_values(ranking, thresholds, rule, times);
      resampled.put(r, mine);
      for (std::size_t m = 0; m < kOfClass; ++m) resampled_means[static_cast<std::size_t>(r)][m].add(mine[m]);
    });
    resampled.gather(communicator);
    for (std::size_t m = 0; m < kOfClass; ++m) {
      means[m].add(values[m]);
      add_value(of_class.values, kClassNames[m], values[m]);
      add_interval(of_class.intervals, of_class.values, kClassNames[m], resampled.interval(m));
    }
    metrics.classes.push_back(std::move(of_class));
  }
  ResampledValues resampled_mean(kOfClass, resamples);
  for (std::int64_t r = communicator.rank(); r < resamples; r += communicator.size()) {
    ClassValues mine;
    for (std::size_t m = 0; m < kOfClass; ++m) mine[m] = resampled_means[static_cast<std::size_t>(r)][m].value();
    resampled_mean.put(r, mine);
  }
  resampled_mean.gather(communicator);

  const RowMeasurement measurement(outputs, calibration);
  std::vector<double> of_rows(kOfRows, 0.0);
  if (communicator.rank() == 0) {
    const RowValues mine = measurement.values({});
    of_rows.assign(mine.begin(), mine.end());
  }
  gather_doubles(of_rows, &communicator);
  ResampledValues resampled_rows(kOfRows, resamples);
  for_each_own([&](std::int64_t r) { resampled_rows.put(r, measurement.values(times)); });
  resampled_rows.gather(communicator);

  for (std::size_t m = 0; m < kOfClass; ++m) {
    add_value(metrics.values, kClassNames[m], means[m].value());
    add_interval(metrics.intervals, metrics.values, kClassNames[m], resampled_mean.interval(m));
  }
  for (std::size_t m = 0; m < kOfRows; ++m) {
    // Of several labels, the part of them that is right is hamming_loss, the other way round.
    if (m == kAccuracy && outputs.several()) continue;
    add_value(metrics.values, kRowNames[m], of_rows[m]);
    add_interval(metrics.intervals, metrics.values, kRowNames[m], resampled_rows.interval(m));
  }
}

}  // namespace temper
