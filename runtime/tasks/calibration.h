// Whether probabilities are what they say: Brier's score, the expected calibration error, and the temperature that
// mends what is too sure of itself.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "runtime/tasks/ranking.h"
#include "runtime/tasks/row_outputs.h"

namespace temper {

/// Equal parts of [0, 1], each without its lower and with its upper edge (Guo, Pleiss, Sun and Weinberger, "On
/// Calibration of Modern Neural Networks", 2017, section 2); 0 is in the first.
inline constexpr std::size_t kCalibrationBins = 15;

struct CalibrationBin {
  std::int64_t count = 0;
  double probability_sum = 0.0;  ///< of what was said
  std::int64_t right = 0;        ///< how often it was so
};
using CalibrationBins = std::array<CalibrationBin, kCalibrationBins>;

/// The mean over the bins, by how many are in each, of the distance between mean probability and share that was right;
/// NaN where they are empty.
double expected_calibration_error(const CalibrationBins& bins);

/// What each row contributes to its measures, computed once for any number of resamples.
class RowErrors {
 public:
  explicit RowErrors(const RowOutputs& outputs, double temperature = 1.0);

  /// Brier's score: of one class among several the mean over rows of the sum over classes of (probability - truth)^2
  /// (Brier, "Verification of forecasts expressed in terms of probability", 1950), and as scikit-learn has it, half of
  /// that where there are two classes: (probability - truth)^2 of one of them. Of labels the mean over all of them. NaN
  /// without rows.
  [[nodiscard]] double brier_score(RowTimes times = {}) const;
  /// Of one class per row: of the class with the highest probability. Of labels: of each of them.
  [[nodiscard]] CalibrationBins bins(RowTimes times = {}) const;
  /// Part of the rows whose class has the highest probability; of labels the part of those that are on the right side
  /// of one half.
  [[nodiscard]] double accuracy(RowTimes times = {}) const;
  /// Mean negative logarithm of the probability of the truth, in nats.
  [[nodiscard]] double loss(RowTimes times = {}) const;

 private:
  struct Statement {
    std::uint32_t row;
    std::uint8_t bin;
    bool right;   ///< what the probability is of came true
    bool chosen;  ///< what was predicted was right
    double probability;
    double squared;
    double loss;
  };
  /// The mean of one number of each statement.
  template <typename Value>
  [[nodiscard]] double mean_of(RowTimes times, Value value) const;

  std::vector<Statement> statements_;  ///< of each row that has a class; of labels each label of each row
};

/// What to divide logits by so that the negative log-likelihood of these rows is least: temperature scaling (Guo et
/// al., section 4.2), by Newton's method on its inverse, in which the likelihood is concave, held within a bracket. 1
/// where rows have no such number between 1/100 and 100, since what they say is all right, or no better than chance.
double fitted_temperature(const RowOutputs& outputs);

}  // namespace temper
