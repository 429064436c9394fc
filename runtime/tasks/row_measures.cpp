#include "runtime/tasks/row_measures.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/counted.h"
#include "base/error.h"
#include "base/human_numbers.h"
#include "base/name_list.h"
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
  [[nodiscard]] Interval interval(std::size_t measure) const { return interval_of(values_, measures_, measure); }

  /// `values` [resamples, measures].
  static Interval interval_of(std::span<const double> values, std::size_t measures, std::size_t measure) {
    std::vector<double> of_measure;
    of_measure.reserve(values.size() / measures);
    for (std::size_t i = measure; i < values.size(); i += measures) of_measure.push_back(values[i]);
    return percentile_interval(std::move(of_measure));
  }

 private:
  std::size_t measures_;
  std::vector<double> values_;  ///< [resamples, measures]
};

/// Who computes what: as many teams of ranks as there are classes for, of which each has its own, and its members share
/// the resamples of these.
class Teams {
 public:
  Teams(std::size_t classes, const Communicator& communicator) {
    const auto ranks = static_cast<std::size_t>(communicator.size());
    const auto rank = static_cast<std::size_t>(communicator.rank());
    teams_ = std::clamp<std::size_t>(classes, 1, ranks);
    team_ = rank % teams_;
    member_ = rank / teams_;
    members_ = (ranks - team_ + teams_ - 1) / teams_;
  }
  [[nodiscard]] std::size_t count() const { return teams_; }
  [[nodiscard]] bool has(std::size_t class_number) const { return class_number % teams_ == team_; }
  [[nodiscard]] bool is_first() const { return member_ == 0; }
  [[nodiscard]] std::int64_t first_resample() const { return static_cast<std::int64_t>(member_); }
  [[nodiscard]] std::int64_t resample_step() const { return static_cast<std::int64_t>(members_); }

 private:
  std::size_t teams_;
  std::size_t team_;
  std::size_t member_;
  std::size_t members_;
};

/// How many resamples are made of `asked`, where each goes through `visits` rows.
std::int64_t affordable_resamples(std::int64_t asked, std::int64_t visits) {
  constexpr std::int64_t kMostVisits = 2'000'000'000;  // some half a minute of one core
  // With fewer the ends of an interval, 2.5 of 100 each, hang on a handful of resamples.
  constexpr std::int64_t kFewest = 200;
  if (visits == 0) return 0;
  const std::int64_t affordable = kMostVisits / visits;
  if (asked <= affordable) return asked;
  return affordable < kFewest ? 0 : affordable;
}

/// How many classes are measured before the ranks tell each other: as many as memory is well spent on, since a resample
/// is drawn once for all of them.
std::size_t classes_at_once(std::int64_t rows, std::size_t numbers_of_class, std::size_t teams) {
  constexpr std::size_t kMostRanked = std::size_t{1} << 22;   // rows of all rankings of a rank, 13 bytes each
  constexpr std::size_t kMostNumbers = std::size_t{1} << 22;  // of all classes, 8 bytes each
  const std::size_t by_rankings = teams * (kMostRanked / static_cast<std::size_t>(std::max<std::int64_t>(rows, 1)));
  return std::max(std::min(by_rankings, kMostNumbers / numbers_of_class), teams);
}

void add_value(std::vector<std::pair<std::string, double>>& values, const char* name, double value) {
  const auto known = std::find_if(values.begin(), values.end(), [&](const auto& entry) { return entry.first == name; });
  if (known == values.end() && !std::isnan(value)) values.emplace_back(name, value);
}

/// Of a value that there is: its `resampled` interval, or, where that is a point, the exact one of a proportion of so
/// many `trials` (0: it is none, or one of several classes). False where that leaves none.
bool add_interval(std::vector<NamedInterval>& intervals, const std::vector<std::pair<std::string, double>>& values,
                  const char* name, Interval resampled, std::int64_t trials) {
  const auto known = std::find_if(values.begin(), values.end(), [&](const auto& entry) { return entry.first == name; });
  if (known == values.end() || std::isnan(resampled.low)) return true;
  if (resampled.low == resampled.high) {
    const double value = known->second;
    if (trials == 0 || (value != 0.0 && value != 1.0)) return false;
    resampled = interval_at_end(value == 1.0, trials);
  }
  intervals.push_back({name, resampled});
  return true;
}

/// Independent trials behind each figure of a class: groups that have rows of the kind that it is a proportion of; 0 of
/// what is no proportion.
std::array<std::int64_t, kOfClass> trials_of(const RowOutputs& outputs, std::int64_t column,
                                             const Resampling& resampling) {
  std::vector<std::uint8_t> with(static_cast<std::size_t>(outputs.rows()), 0);
  std::vector<std::uint8_t> without = with;
  for (std::int64_t row = 0; row < outputs.rows(); ++row)
    if (outputs.is_labelled(row)) (outputs.is_true(row, column) ? with : without)[static_cast<std::size_t>(row)] = 1;
  std::array<std::int64_t, kOfClass> trials{};
  trials[kSensitivity] = trials[kSensitivityAtSpecificity] = resampling.groups_among(with);
  trials[kSpecificity] = trials[kSpecificityAtSensitivity] = resampling.groups_among(without);
  return trials;
}

std::int64_t labelled_groups(const RowOutputs& outputs, const Resampling& resampling) {
  std::vector<std::uint8_t> labelled;
  for (std::int64_t row = 0; row < outputs.rows(); ++row) labelled.push_back(outputs.is_labelled(row) ? 1 : 0);
  return resampling.groups_among(labelled);
}

}  // namespace

const ClassThresholds* Calibration::of(std::string_view label) const {
  const auto found = std::find_if(thresholds.begin(), thresholds.end(),
                                  [&](const ClassThresholds& entry) { return entry.label == label; });
  return found == thresholds.end() ? nullptr : &*found;
}

ResampleCounts resample_counts(const RowOutputs& outputs, const MeasureSettings& settings) {
  const auto classes = static_cast<std::int64_t>(judged_classes(outputs, settings.positive).size());
  const std::int64_t statements = outputs.several() ? outputs.columns() : 1;
  return {.of_classes = affordable_resamples(settings.resamples, outputs.rows() * classes),
          .of_rows = affordable_resamples(settings.resamples, outputs.rows() * statements)};
}

std::string resample_note(const RowOutputs& outputs, const MeasureSettings& settings) {
  if (outputs.rows() == 0) return "";
  const ResampleCounts counts = resample_counts(outputs, settings);
  if (counts.of_classes >= settings.resamples && counts.of_rows >= settings.resamples) return "";
  const auto classes = static_cast<std::int64_t>(judged_classes(outputs, settings.positive).size());
  const auto amount = [](std::int64_t count) {
    return count == 0 ? std::string("no intervals") : fmt::format("intervals from {}", grouped(count, "resample"));
  };
  return fmt::format(
      "{} and {} {}: {} for the figures of classes and {} for those of all rows, since {} would take long",
      grouped(outputs.rows(), "row"), grouped(classes),
      outputs.several() ? plural(classes, "label") : plural(classes, "class", "classes"), amount(counts.of_classes),
      amount(counts.of_rows), grouped(settings.resamples));
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
  scores.reserve(static_cast<std::size_t>(outputs.rows()));
  positive.reserve(static_cast<std::size_t>(outputs.rows()));
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

std::string uncalibrated_note(const RowOutputs& outputs, const std::vector<std::string>& labels) {
  constexpr const char* kNothing = "no AUROC, threshold or temperature is taken from them";
  std::vector<std::uint8_t> with(static_cast<std::size_t>(outputs.columns()), 0);
  std::vector<std::uint8_t> without = with;
  for (std::int64_t row = 0; row < outputs.rows(); ++row)
    for (std::int64_t column = 0; column < outputs.columns() && outputs.is_labelled(row); ++column)
      (outputs.is_true(row, column) ? with : without)[static_cast<std::size_t>(column)] = 1;
  for (std::size_t column = 0; column < with.size(); ++column)
    if (with[column] != 0 && without[column] != 0) return "";
  if (outputs.several())
    return fmt::format("validation rows agree on each label, that all have it or none: {}", kNothing);
  const auto only = std::find(with.begin(), with.end(), 1) - with.begin();
  if (only == static_cast<std::ptrdiff_t>(with.size()))
    return fmt::format("no validation row has a class: {}", kNothing);
  return fmt::format("validation rows are all {}: {}", quoted_name(labels.at(static_cast<std::size_t>(only))),
                     kNothing);
}

std::string words_of(const Calibration& calibration) {
  std::string words = "temperature " + significant(calibration.temperature, 3);
  constexpr std::size_t kShown = 4;
  for (std::size_t i = 0; i < calibration.thresholds.size() && i < kShown; ++i) {
    const ClassThresholds& thresholds = calibration.thresholds[i];
    const double threshold = thresholds.by(calibration.rule);
    words += std::isfinite(threshold) ? fmt::format(", {} from a probability of {} on", quoted_name(thresholds.label),
                                                    significant(threshold, 3))
                                      : fmt::format(", {} never", quoted_name(thresholds.label));
  }
  if (calibration.thresholds.size() > kShown)
    words += fmt::format(", and thresholds of {} more", calibration.thresholds.size() - kShown);
  if (calibration.thresholds.empty()) return words + ", no threshold";
  return words + fmt::format(" ({})", kThresholdRules[static_cast<std::size_t>(calibration.rule)]);
}

std::optional<Calibration> fit_calibration(const RowOutputs& outputs, const std::vector<std::string>& labels,
                                           const MeasureSettings& settings, Communicator& communicator) {
  if (!uncalibrated_note(outputs, labels).empty()) return std::nullopt;
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
  for (std::size_t i = 0; i < classes.size(); ++i) {
    if (!is_mine(static_cast<std::int64_t>(i), &communicator)) continue;
    const RocCurve curve = ranking_of(outputs, classes[i]).curve();
    if (!curve.is_defined()) continue;
    const ClassThresholds chosen = chosen_thresholds(curve, settings.specificity, settings.sensitivity);
    const std::array<double, kNumbers> of_class{1.0, chosen.youden, chosen.at_specificity, chosen.at_sensitivity};
    std::copy(of_class.begin(), of_class.end(), numbers.begin() + static_cast<std::ptrdiff_t>(1 + kNumbers * i));
  }
  if (communicator.rank() == 0) numbers.front() = fitted_temperature(outputs);
  gather_doubles(numbers, &communicator);
  calibration.temperature = numbers.front();
  for (std::size_t i = 0; i < classes.size(); ++i) {
    const double* of_class = &numbers[1 + kNumbers * i];
    if (of_class[0] > 0.0)
      calibration.thresholds.push_back({label_of(classes[i]), of_class[1], of_class[2], of_class[3]});
  }
  return calibration;
}

std::string add_row_measures(Metrics& metrics, const RowOutputs& outputs, const std::vector<std::string>& labels,
                             const MeasureSettings& settings, const std::optional<Calibration>& calibration,
                             Communicator& communicator) {
  const Resampling resampling(outputs.groups(), outputs.rows(), settings.seed);
  const ResampleCounts resamples = resample_counts(outputs, settings);
  std::vector<std::uint32_t> times;
  const ThresholdRule rule = calibration ? calibration->rule : settings.rule;

  const std::vector<std::int64_t> classes = judged_classes(outputs, settings.positive);
  const Teams teams(classes.size(), communicator);
  std::array<MeanOfDefined, kOfClass> means;
  std::array<std::int64_t, kOfClass> trials{};  // of the class at hand
  std::vector<std::array<MeanOfDefined, kOfClass>> resampled_means(static_cast<std::size_t>(resamples.of_classes));
  // Of each class its values, then those of each resample.
  const std::size_t numbers_of_class = kOfClass * (1 + static_cast<std::size_t>(resamples.of_classes));
  const std::size_t at_once = classes_at_once(outputs.rows(), numbers_of_class, teams.count());
  for (std::size_t first = 0; first < classes.size(); first += at_once) {
    const std::size_t last = std::min(first + at_once, classes.size());
    std::vector<double> numbers((last - first) * numbers_of_class, 0.0);
    const auto put = [&](std::size_t i, std::int64_t place, const ClassValues& values) {
      const std::size_t begin = (i - first) * numbers_of_class + static_cast<std::size_t>(place) * kOfClass;
      std::copy(values.begin(), values.end(), numbers.begin() + static_cast<std::ptrdiff_t>(begin));
    };
    struct Own {
      std::size_t number;
      const ClassThresholds* thresholds;
      Ranking ranking;
    };
    std::vector<Own> own;
    for (std::size_t i = first; i < last; ++i) {
      if (!teams.has(i)) continue;
      const std::string& label = labels.at(static_cast<std::size_t>(classes[i]));
      own.push_back({i, calibration ? calibration->of(label) : nullptr, ranking_of(outputs, classes[i])});
      // Probabilities may differ in their last bits between machines; what all ranks tell comes from one.
      if (teams.is_first()) put(i, 0, class_values(own.back().ranking, own.back().thresholds, rule, {}));
    }
    for (std::int64_t r = teams.first_resample(); r < resamples.of_classes && !own.empty();
         r += teams.resample_step()) {
      resampling.draw(r, times);
      for (const Own& one : own) put(one.number, 1 + r, class_values(one.ranking, one.thresholds, rule, times));
    }
    gather_doubles(numbers, &communicator);
    for (std::size_t i = first; i < last; ++i) {
      const std::span<const double> of_this =
          std::span(numbers).subspan((i - first) * numbers_of_class, numbers_of_class);
      const std::span<const double> resampled = of_this.subspan(kOfClass);
      ClassMeasures measures{labels.at(static_cast<std::size_t>(classes[i])), 0, {}, {}};
      trials = trials_of(outputs, classes[i], resampling);
      for (std::int64_t row = 0; row < outputs.rows(); ++row)
        measures.positives += outputs.is_true(row, classes[i]) ? 1 : 0;
      for (std::size_t m = 0; m < kOfClass; ++m) {
        means[m].add(of_this[m]);
        for (std::size_t r = 0; r < resampled_means.size(); ++r) resampled_means[r][m].add(resampled[r * kOfClass + m]);
        add_value(measures.values, kClassNames[m], of_this[m]);
        add_interval(measures.intervals, measures.values, kClassNames[m],
                     ResampledValues::interval_of(resampled, kOfClass, m), trials[m]);
      }
      metrics.classes.push_back(std::move(measures));
    }
  }
  // Every rank has them all.
  ResampledValues resampled_mean(kOfClass, resamples.of_classes);
  for (std::int64_t r = 0; r < resamples.of_classes; ++r) {
    ClassValues of_resample;
    for (std::size_t m = 0; m < kOfClass; ++m) of_resample[m] = resampled_means[static_cast<std::size_t>(r)][m].value();
    resampled_mean.put(r, of_resample);
  }

  const RowMeasurement measurement(outputs, calibration);
  std::vector<double> of_rows(kOfRows, 0.0);
  if (communicator.rank() == 0) {
    const RowValues mine = measurement.values({});
    of_rows.assign(mine.begin(), mine.end());
  }
  gather_doubles(of_rows, &communicator);
  ResampledValues resampled_rows(kOfRows, resamples.of_rows);
  for (std::int64_t r = communicator.rank(); r < resamples.of_rows; r += communicator.size()) {
    resampling.draw(r, times);
    resampled_rows.put(r, measurement.values(times));
  }
  resampled_rows.gather(communicator);

  std::vector<std::string> points;  // figures without an interval, since all resamples agree
  // Of the mean over several classes there is no exact interval.
  if (classes.size() > 1) trials.fill(0);
  for (std::size_t m = 0; m < kOfClass; ++m) {
    add_value(metrics.values, kClassNames[m], means[m].value());
    if (!add_interval(metrics.intervals, metrics.values, kClassNames[m], resampled_mean.interval(m), trials[m]))
      points.emplace_back(kClassNames[m]);
  }
  for (std::size_t m = 0; m < kOfRows; ++m) {
    // Of several labels, the part of them that is right is hamming_loss, the other way round.
    if (m == kAccuracy && outputs.several()) continue;
    add_value(metrics.values, kRowNames[m], of_rows[m]);
    const std::int64_t trials_of_rows = m == kAccuracy ? labelled_groups(outputs, resampling) : 0;
    if (!add_interval(metrics.intervals, metrics.values, kRowNames[m], resampled_rows.interval(m), trials_of_rows))
      points.emplace_back(kRowNames[m]);
  }
  if (points.empty()) return "";
  return fmt::format("no interval of {}: all resamples of {} give the same value", fmt::join(points, ", "),
                     outputs.groups().empty() ? grouped(outputs.rows(), "row") : grouped(resampling.groups(), "group"));
}

}  // namespace temper
