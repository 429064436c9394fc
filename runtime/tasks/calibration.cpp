#include "runtime/tasks/calibration.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/tasks/probabilities.h"

namespace temper {
namespace {

constexpr double kLeastTemperature = 0.01;
constexpr double kMostTemperature = 100.0;

std::uint8_t bin_of(double probability) {
  if (!(probability > 0.0)) return 0;  // nor is NaN in any
  // The upper edge belongs to a bin: edges are i / kCalibrationBins, as rounded.
  const auto bins = static_cast<double>(kCalibrationBins);
  auto bin = static_cast<std::int64_t>(std::ceil(probability * bins)) - 1;
  bin = std::clamp<std::int64_t>(bin, 0, kCalibrationBins - 1);
  if (bin > 0 && probability <= static_cast<double>(bin) / bins) --bin;
  return static_cast<std::uint8_t>(bin);
}

/// ln(1 + exp(x)) without overflow.
double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

/// -ln of the softmax of `logits` at `truth`.
double cross_entropy(std::span<const float> logits, std::int64_t truth, double temperature) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0.0;
  for (const float logit : logits) sum += std::exp((logit - largest) / temperature);
  return std::log(sum) - (logits[static_cast<std::size_t>(truth)] - largest) / temperature;
}

/// First and second derivative of the negative log-likelihood by the inverse of the temperature.
struct Slope {
  double first = 0.0;
  double second = 0.0;
};

Slope slope_of(const RowOutputs& outputs, double inverse) {
  Slope slope;
  for (std::int64_t row = 0; row < outputs.rows(); ++row) {
    if (!outputs.is_labelled(row)) continue;
    const std::span<const float> logits = outputs.logits(row);
    if (outputs.several()) {
      for (std::size_t c = 0; c < logits.size(); ++c) {
        const double z = logits[c];
        const double p = sigmoid(z * inverse);
        slope.first += z * (p - (outputs.is_true(row, static_cast<std::int64_t>(c)) ? 1.0 : 0.0));
        slope.second += z * z * p * (1.0 - p);
      }
      continue;
    }
    const double largest = *std::max_element(logits.begin(), logits.end());
    double sum = 0.0;
    double mean = 0.0;
    double square = 0.0;
    for (const float logit : logits) {
      const double z = logit - largest;
      const double weight = std::exp(z * inverse);
      sum += weight;
      mean += weight * z;
      square += weight * z * z;
    }
    mean /= sum;
    slope.first += mean - (logits[static_cast<std::size_t>(outputs.class_of(row))] - largest);
    slope.second += square / sum - mean * mean;
  }
  return slope;
}

}  // namespace

double expected_calibration_error(const CalibrationBins& bins) {
  std::int64_t count = 0;
  double error = 0.0;
  for (const CalibrationBin& bin : bins) {
    count += bin.count;
    error += std::abs(bin.probability_sum - static_cast<double>(bin.right));
  }
  return count == 0 ? std::numeric_limits<double>::quiet_NaN() : error / static_cast<double>(count);
}

RowErrors::RowErrors(const RowOutputs& outputs, double temperature) {
  for (std::int64_t row = 0; row < outputs.rows(); ++row) {
    if (!outputs.is_labelled(row)) continue;
    const std::vector<double> p = outputs.probabilities(row, temperature);
    const std::span<const float> logits = outputs.logits(row);
    const auto number = static_cast<std::uint32_t>(row);
    if (outputs.several()) {
      for (std::size_t c = 0; c < p.size(); ++c) {
        const bool truth = outputs.is_true(row, static_cast<std::int64_t>(c));
        const double error = p[c] - (truth ? 1.0 : 0.0);
        const double z = logits[c] / temperature;
        statements_.push_back({number, bin_of(p[c]), truth, (p[c] > 0.5) == truth, p[c], error * error,
                               truth ? softplus(-z) : softplus(z)});
      }
      continue;
    }
    // As the confusion matrix has it: the first of the largest logits.
    const auto best = static_cast<std::size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
    const auto truth = static_cast<std::size_t>(outputs.class_of(row));
    double squared = 0.0;
    for (std::size_t c = 0; c < p.size(); ++c) {
      const double error = p[c] - (c == truth ? 1.0 : 0.0);
      squared += error * error;
    }
    if (p.size() == 2) squared *= 0.5;
    statements_.push_back({number, bin_of(p[best]), best == truth, best == truth, p[best], squared,
                           cross_entropy(logits, static_cast<std::int64_t>(truth), temperature)});
  }
}

template <typename Value>
double RowErrors::mean_of(RowTimes times, Value value) const {
  double sum = 0.0;
  std::int64_t count = 0;
  for (const Statement& statement : statements_) {
    const std::int64_t often = times.empty() ? 1 : times[statement.row];
    if (often == 0) continue;
    sum += static_cast<double>(often) * value(statement);
    count += often;
  }
  return count == 0 ? std::numeric_limits<double>::quiet_NaN() : sum / static_cast<double>(count);
}

double RowErrors::brier_score(RowTimes times) const {
  return mean_of(times, [](const Statement& statement) { return statement.squared; });
}

double RowErrors::accuracy(RowTimes times) const {
  return mean_of(times, [](const Statement& statement) { return statement.chosen ? 1.0 : 0.0; });
}

double RowErrors::loss(RowTimes times) const {
  return mean_of(times, [](const Statement& statement) { return statement.loss; });
}

CalibrationBins RowErrors::bins(RowTimes times) const {
  CalibrationBins bins{};
  for (const Statement& statement : statements_) {
    const std::int64_t often = times.empty() ? 1 : times[statement.row];
    CalibrationBin& bin = bins[statement.bin];
    bin.count += often;
    bin.probability_sum += static_cast<double>(often) * statement.probability;
    bin.right += statement.right ? often : 0;
  }
  return bins;
}

double fitted_temperature(const RowOutputs& outputs) {
  // The first derivative grows with the inverse of the temperature, so there is one root at most.
  double low = 1.0 / kMostTemperature;
  double high = 1.0 / kLeastTemperature;
  const bool falls_first = slope_of(outputs, low).first < 0.0;
  const bool rises_last = slope_of(outputs, high).first > 0.0;
  if (!falls_first || !rises_last) return 1.0;
  double inverse = 1.0;
  constexpr int kMostSteps = 200;  // halving alone ends below the spacing of doubles within 70
  for (int step = 0; step < kMostSteps; ++step) {
    const Slope slope = slope_of(outputs, inverse);
    if (slope.first == 0.0) break;
    (slope.first < 0.0 ? low : high) = inverse;
    double next = slope.second > 0.0 ? inverse - slope.first / slope.second : low;
    if (!(next > low && next < high)) next = 0.5 * (low + high);
    if (std::abs(next - inverse) <= 1e-14 * inverse) break;
    inverse = next;
  }
  return 1.0 / inverse;
}

}  // namespace temper
