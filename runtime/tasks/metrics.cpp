#include "runtime/tasks/metrics.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "base/error.h"
#include "base/nearest_name.h"

namespace temper {
namespace {

double ratio(double numerator, double denominator) { return denominator == 0.0 ? 0.0 : numerator / denominator; }

double ratio(std::int64_t numerator, std::int64_t denominator) {
  return ratio(static_cast<double>(numerator), static_cast<double>(denominator));
}

/// Precision, recall and F1 of one class, and the number of rows that truly belong to it.
struct PrecisionAndRecall {
  double precision = 0.0;
  double recall = 0.0;
  double f1 = 0.0;
  std::int64_t support = 0;
};

PrecisionAndRecall class_scores(std::int64_t true_positives, std::int64_t false_positives,
                                std::int64_t false_negatives) {
  return {ratio(true_positives, true_positives + false_positives),
          ratio(true_positives, true_positives + false_negatives),
          ratio(2 * true_positives, 2 * true_positives + false_positives + false_negatives),
          true_positives + false_negatives};
}

/// Mean of one score over classes, each of the same weight.
double macro(const std::vector<PrecisionAndRecall>& scores, double PrecisionAndRecall::*score) {
  double sum = 0.0;
  for (const PrecisionAndRecall& s : scores) sum += s.*score;
  return ratio(sum, static_cast<double>(scores.size()));
}

/// Mean of one score over classes, weighted by support.
double weighted(const std::vector<PrecisionAndRecall>& scores, double PrecisionAndRecall::*score) {
  double sum = 0.0;
  double support = 0.0;
  for (const PrecisionAndRecall& s : scores) {
    sum += s.*score * static_cast<double>(s.support);
    support += static_cast<double>(s.support);
  }
  return ratio(sum, support);
}

/// R_K from the confusion matrix's sums (Gorodkin 2004, eq. 8, in counts).
double matthews(std::int64_t rows, std::int64_t correct, const std::vector<std::int64_t>& truths,
                const std::vector<std::int64_t>& predictions) {
  const auto n = static_cast<double>(rows);
  double truth_prediction = 0.0;
  double truth_truth = 0.0;
  double prediction_prediction = 0.0;
  for (std::size_t k = 0; k < truths.size(); ++k) {
    const auto t = static_cast<double>(truths[k]);
    const auto p = static_cast<double>(predictions[k]);
    truth_prediction += t * p;
    truth_truth += t * t;
    prediction_prediction += p * p;
  }
  const double covariance = static_cast<double>(correct) * n - truth_prediction;
  return ratio(covariance, std::sqrt(n * n - truth_truth) * std::sqrt(n * n - prediction_prediction));
}

double mean_of(std::span<const double> values) {
  return ratio(std::accumulate(values.begin(), values.end(), 0.0), static_cast<double>(values.size()));
}

double pearson(std::span<const double> x, std::span<const double> y) {
  const double mean_x = mean_of(x);
  const double mean_y = mean_of(y);
  double xx = 0.0;
  double yy = 0.0;
  double xy = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double dx = x[i] - mean_x;
    const double dy = y[i] - mean_y;
    xx += dx * dx;
    yy += dy * dy;
    xy += dx * dy;
  }
  const double correlation = ratio(xy, std::sqrt(xx) * std::sqrt(yy));
  return std::isnan(correlation) ? correlation : std::clamp(correlation, -1.0, 1.0);
}

/// Ranks from 1; equal values share the mean of their ranks.
std::vector<double> average_ranks(std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    // Places begin + 1 ... end.
    const double rank = 0.5 * static_cast<double>(begin + 1 + end);
    for (; begin < end; ++begin) ranks[order[begin]] = rank;
  }
  return ranks;
}

double spearman(std::span<const double> x, std::span<const double> y) {
  const auto is_nan = [](double value) { return std::isnan(value); };
  // NaN has no rank, and no order to sort by.
  if (std::any_of(x.begin(), x.end(), is_nan) || std::any_of(y.begin(), y.end(), is_nan))
    return std::numeric_limits<double>::quiet_NaN();
  return pearson(average_ranks(x), average_ranks(y));
}

struct RegressionScores {
  double squared = 0.0;
  double absolute = 0.0;
  double pearson = 0.0;
  double spearman = 0.0;
  double r2 = 0.0;
};

/// Of one output. `predictions` and `truths` [rows].
RegressionScores regression_scores(std::span<const double> predictions, std::span<const double> truths) {
  const double mean_truth = mean_of(truths);
  double squared = 0.0;
  double absolute = 0.0;
  double variation = 0.0;
  for (std::size_t i = 0; i < truths.size(); ++i) {
    const double error = predictions[i] - truths[i];
    squared += error * error;
    absolute += std::abs(error);
    variation += (truths[i] - mean_truth) * (truths[i] - mean_truth);
  }
  const auto rows = static_cast<double>(truths.size());
  double r2 = 0.0;
  if (variation != 0.0)
    r2 = 1.0 - squared / variation;
  else if (squared == 0.0 && !truths.empty())
    r2 = 1.0;
  return {ratio(squared, rows), ratio(absolute, rows), pearson(predictions, truths), spearman(predictions, truths), r2};
}

/// Column `column` of `values` [rows, columns].
std::vector<double> column_of(const std::vector<double>& values, std::size_t column, std::size_t columns) {
  std::vector<double> out;
  out.reserve(values.size() / columns);
  for (std::size_t i = column; i < values.size(); i += columns) out.push_back(values[i]);
  return out;
}

void check_flat_size(std::size_t found, std::size_t expected) {
  if (found != expected) throw Error("reduced counts: found {} numbers, expected {}", found, expected);
}

std::vector<std::string> names_of(const Metrics& metrics) {
  std::vector<std::string> names;
  for (const auto& [name, value] : metrics.values) names.push_back(name);
  return names;
}

}  // namespace

std::int64_t sum_of(std::span<const std::int64_t> counts) {
  return std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
}

void ClassificationCounts::resize(std::int64_t class_count) {
  classes = class_count;
  confusion.assign(static_cast<std::size_t>(class_count * class_count), 0);
}

void ClassificationCounts::add(std::int32_t truth, std::int32_t predicted) {
  if (truth < 0) return;
  if (truth >= classes || predicted < 0 || predicted >= classes)
    throw Error("metrics: found class {} predicted as {}, expected classes 0 to {}", truth, predicted, classes - 1);
  ++confusion[static_cast<std::size_t>(truth * classes + predicted)];
}

void ClassificationCounts::set_flat(std::span<const std::int64_t> counts) {
  check_flat_size(counts.size(), confusion.size());
  confusion.assign(counts.begin(), counts.end());
}

void MultiLabelCounts::resize(std::int64_t label_count) {
  for (auto* counts : {&true_positives, &false_positives, &false_negatives, &true_negatives})
    counts->assign(static_cast<std::size_t>(label_count), 0);
  exact_rows = 0;
  rows = 0;
}

void MultiLabelCounts::add(std::span<const float> truths, std::span<const float> logits) {
  const std::size_t labels = true_positives.size();
  if (truths.size() != labels || logits.size() != labels)
    throw Error("metrics: found a row of {} truths and {} logits, expected {} labels", truths.size(), logits.size(),
                labels);
  bool exact = true;
  for (std::size_t label = 0; label < labels; ++label) {
    const bool truth = truths[label] > 0.5F;
    const bool predicted = logits[label] > logit_threshold;
    auto& counts =
        truth ? (predicted ? true_positives : false_negatives) : (predicted ? false_positives : true_negatives);
    ++counts[label];
    exact = exact && truth == predicted;
  }
  ++rows;
  exact_rows += exact ? 1 : 0;
}

std::vector<std::int64_t> MultiLabelCounts::flat() const {
  std::vector<std::int64_t> all;
  for (const auto* counts : {&true_positives, &false_positives, &false_negatives, &true_negatives})
    all.insert(all.end(), counts->begin(), counts->end());
  all.push_back(exact_rows);
  all.push_back(rows);
  return all;
}

void MultiLabelCounts::set_flat(std::span<const std::int64_t> counts) {
  const std::size_t labels = true_positives.size();
  check_flat_size(counts.size(), 4 * labels + 2);
  for (auto* part : {&true_positives, &false_positives, &false_negatives, &true_negatives}) {
    part->assign(counts.begin(), counts.begin() + static_cast<std::ptrdiff_t>(labels));
    counts = counts.subspan(labels);
  }
  exact_rows = counts[0];
  rows = counts[1];
}

void LanguageModelCounts::set_flat(std::span<const std::int64_t> counts) {
  check_flat_size(counts.size(), 2);
  tokens = counts[0];
  correct = counts[1];
}

std::vector<std::pair<std::string, double>> Metrics::finite_values() const {
  std::vector<std::pair<std::string, double>> finite;
  for (const auto& entry : values)
    if (std::isfinite(entry.second)) finite.push_back(entry);
  return finite;
}

double Metrics::value(std::string_view metric) const {
  for (const auto& [name, number] : values)
    if (name == metric) return number;
  const std::vector<std::string> names = names_of(*this);
  // "f1" is far from "macro_f1" by its letters.
  const auto longer = std::find_if(names.begin(), names.end(),
                                   [&](const std::string& name) { return name.ends_with("_" + std::string(metric)); });
  const std::string near = longer != names.end() ? *longer : nearest_name(metric, names);
  throw usage_error("there is no metric '{}' for this task{}; its metrics are {}", metric,
                    near.empty() ? "" : fmt::format(", did you mean '{}'?", near), fmt::join(names, ", "));
}

const Interval* Metrics::interval(std::string_view metric) const {
  const auto found = std::find_if(intervals.begin(), intervals.end(),
                                  [&](const NamedInterval& entry) { return entry.name == metric; });
  return found == intervals.end() ? nullptr : &found->interval;
}

std::vector<std::pair<std::string, double>> with_bounds(const std::vector<std::pair<std::string, double>>& values,
                                                        const std::vector<NamedInterval>& intervals) {
  std::vector<std::pair<std::string, double>> all;
  for (const auto& value : values) {
    all.push_back(value);
    for (const NamedInterval& entry : intervals) {
      if (entry.name != value.first) continue;
      all.emplace_back(entry.name + "_low", entry.interval.low);
      all.emplace_back(entry.name + "_high", entry.interval.high);
    }
  }
  return all;
}

Metrics classification_metrics(const ClassificationCounts& counts) {
  const auto classes = static_cast<std::size_t>(counts.classes);
  check_flat_size(counts.confusion.size(), classes * classes);
  std::vector<std::int64_t> truths(classes);
  std::vector<std::int64_t> predictions(classes);
  std::int64_t correct = 0;
  Metrics metrics;
  for (std::size_t t = 0; t < classes; ++t) {
    const auto row = std::span(counts.confusion).subspan(t * classes, classes);
    metrics.confusion.emplace_back(row.begin(), row.end());
    for (std::size_t p = 0; p < classes; ++p) {
      truths[t] += row[p];
      predictions[p] += row[p];
    }
    correct += row[t];
  }
  const std::int64_t rows = sum_of(truths);

  std::vector<PrecisionAndRecall> scores;
  for (std::size_t k = 0; k < classes; ++k) {
    if (truths[k] == 0 && predictions[k] == 0) continue;
    const std::int64_t hits = counts.confusion[k * classes + k];
    scores.push_back(class_scores(hits, predictions[k] - hits, truths[k] - hits));
  }
  metrics.values = {{"loss", ratio(counts.loss_sum, counts.loss_weight)},
                    {"accuracy", ratio(correct, rows)},
                    {"macro_f1", macro(scores, &PrecisionAndRecall::f1)},
                    {"weighted_f1", weighted(scores, &PrecisionAndRecall::f1)},
                    {"matthews", matthews(rows, correct, truths, predictions)},
                    {"macro_precision", macro(scores, &PrecisionAndRecall::precision)},
                    {"macro_recall", macro(scores, &PrecisionAndRecall::recall)},
                    {"weighted_precision", weighted(scores, &PrecisionAndRecall::precision)},
                    {"weighted_recall", weighted(scores, &PrecisionAndRecall::recall)}};
  return metrics;
}

Metrics regression_metrics(const RegressionPairs& pairs) {
  const auto outputs = static_cast<std::size_t>(pairs.outputs);
  if (outputs == 0 || pairs.predictions.size() != pairs.truths.size() || pairs.truths.size() % outputs != 0)
    throw Error("metrics: found {} predictions and {} truths, expected as many of each, {} a row",
                pairs.predictions.size(), pairs.truths.size(), outputs);
  RegressionScores mean;
  for (std::size_t output = 0; output < outputs; ++output) {
    const RegressionScores scores =
        regression_scores(column_of(pairs.predictions, output, outputs), column_of(pairs.truths, output, outputs));
    for (double RegressionScores::*score :
         {&RegressionScores::squared, &RegressionScores::absolute, &RegressionScores::pearson,
          &RegressionScores::spearman, &RegressionScores::r2})
      mean.*score += scores.*score / static_cast<double>(outputs);
  }
  return {{{"loss", ratio(pairs.loss_sum, pairs.loss_weight)},
           {"pearson", mean.pearson},
           {"spearman", mean.spearman},
           {"r2", mean.r2},
           {"mean_squared_error", mean.squared},
           {"mean_absolute_error", mean.absolute}},
          {}};
}

Metrics multi_label_metrics(const MultiLabelCounts& counts) {
  std::vector<PrecisionAndRecall> scores;
  for (std::size_t label = 0; label < counts.true_positives.size(); ++label)
    scores.push_back(
        class_scores(counts.true_positives[label], counts.false_positives[label], counts.false_negatives[label]));
  const std::int64_t false_positives = sum_of(counts.false_positives);
  const std::int64_t false_negatives = sum_of(counts.false_negatives);
  const PrecisionAndRecall micro = class_scores(sum_of(counts.true_positives), false_positives, false_negatives);
  const auto labels = static_cast<std::int64_t>(scores.size());
  return {{{"loss", ratio(counts.loss_sum, counts.loss_weight)},
           {"micro_f1", micro.f1},
           {"macro_f1", macro(scores, &PrecisionAndRecall::f1)},
           {"subset_accuracy", ratio(counts.exact_rows, counts.rows)},
           {"weighted_f1", weighted(scores, &PrecisionAndRecall::f1)},
           {"micro_precision", micro.precision},
           {"micro_recall", micro.recall},
           {"macro_precision", macro(scores, &PrecisionAndRecall::precision)},
           {"macro_recall", macro(scores, &PrecisionAndRecall::recall)},
           {"hamming_loss", ratio(false_positives + false_negatives, labels * counts.rows)}},
          {}};
}

Metrics language_model_metrics(const LanguageModelCounts& counts) {
  const double loss = ratio(counts.loss_sum, counts.loss_weight);
  return {{{"loss", loss}, {"perplexity", std::exp(loss)}, {"accuracy", ratio(counts.correct, counts.tokens)}}, {}};
}

double bits_per_byte(double loss_sum, std::int64_t bytes) {
  if (bytes == 0) return std::numeric_limits<double>::quiet_NaN();
  return ratio(loss_sum / std::numbers::ln2, static_cast<double>(bytes));
}

bool higher_is_better(std::string_view metric) {
  constexpr std::array<std::string_view, 10> kLowerIsBetter = {"loss",
                                                               "perplexity",
                                                               "bits_per_byte",
                                                               "mean_squared_error",
                                                               "mean_absolute_error",
                                                               "hamming_loss",
                                                               "rejected_reward",
                                                               "rejected_log_probability",
                                                               "brier_score",
                                                               "expected_calibration_error"};
  return std::find(kLowerIsBetter.begin(), kLowerIsBetter.end(), metric) == kLowerIsBetter.end();
}

}  // namespace temper
