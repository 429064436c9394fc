// What is measured of the outputs of all rows, beside what counts give: how well classes are told apart, whether
// probabilities are what they say, and between which bounds a figure lies.
//
// Note: thresholds and the temperature are chosen on the rows that the model is chosen by, and on no others; figures of
// other rows are then those that a user of the model gets.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "comm/communicator.h"
#include "runtime/tasks/metrics.h"
#include "runtime/tasks/operating_points.h"
#include "runtime/tasks/row_outputs.h"

namespace temper {

/// What a model's probabilities are read with: chosen on its validation rows, and kept with it.
struct Calibration {
  double temperature = 1.0;  ///< that logits are divided by
  ThresholdRule rule = ThresholdRule::youden;
  double specificity = 0.95;  ///< that at_specificity was chosen for
  double sensitivity = 0.95;
  std::string positive;                     ///< the class that was named, which alone is judged then
  std::vector<ClassThresholds> thresholds;  ///< of each judged class that some rows had and others had not

  /// Null where there are none of this label.
  [[nodiscard]] const ClassThresholds* of(std::string_view label) const;
  friend bool operator==(const Calibration&, const Calibration&) = default;
};

struct MeasureSettings {
  double specificity = 0.95;
  double sensitivity = 0.95;
  ThresholdRule rule = ThresholdRule::youden;
  std::int32_t positive = -1;     ///< class that is told from the others; negative: as judged_classes says
  std::int64_t resamples = 1000;  ///< 0: no intervals
  std::uint64_t seed = 0;
};

/// How many resamples the intervals of these rows come from: as many as are asked for, or where going through all rows
/// for each resample and judged class would be more than two thousand million visits, as many as that allows; 0, no
/// intervals, where those would be too few to say anything.
struct ResampleCounts {
  std::int64_t of_classes = 0;  ///< for auroc and what else is measured of each judged class
  std::int64_t of_rows = 0;     ///< for accuracy and what else is measured of all rows at once

  friend bool operator==(const ResampleCounts&, const ResampleCounts&) = default;
};
ResampleCounts resample_counts(const RowOutputs& outputs, const MeasureSettings& settings);
/// One sentence for the user where there are fewer than were asked for; else empty.
std::string resample_note(const RowOutputs& outputs, const MeasureSettings& settings);

/// The classes that are told from the others: the one that is named; of two the second; else each.
std::vector<std::int64_t> judged_classes(const RowOutputs& outputs, std::int32_t positive);

/// Whether each row has the class or label.
Ranking ranking_of(const RowOutputs& outputs, std::int64_t column);

/// auroc, average_precision (means over the judged classes that have them, NaN where none has), brier_score,
/// expected_calibration_error. Collective where there is a communicator: the ranks share the classes, and the bits are
/// the same on any number of them. Without one, all here.
std::vector<std::pair<std::string, double>> row_measures(const RowOutputs& outputs, std::int32_t positive,
                                                         Communicator* communicator);
/// Their names, in that order.
std::vector<std::string> row_measure_names();

/// Why no threshold and no temperature can be chosen on these validation rows, as one sentence: they all have the same
/// class, or of labels, none has rows with and without it. Empty where they can be.
std::string uncalibrated_note(const RowOutputs& outputs, const std::vector<std::string>& labels);

/// Collective: the ranks share the classes. `labels` [columns] name the classes. Nothing where uncalibrated_note says
/// why.
std::optional<Calibration> fit_calibration(const RowOutputs& outputs, const std::vector<std::string>& labels,
                                           const MeasureSettings& settings, Communicator& communicator);

/// "temperature 1.31, \"ill\" from a probability of 0.412 on (youden)", of the first few classes.
std::string words_of(const Calibration& calibration);

/// Collective. Adds to `metrics`, which are of these rows: with `calibration`, sensitivity and specificity at the
/// threshold that decides, sensitivity_at_specificity and specificity_at_sensitivity at the two others (means over the
/// judged classes), and calibrated_loss, calibrated_brier_score and calibrated_expected_calibration_error; the same of
/// each judged class; and intervals of all these, of those of row_measures and of accuracy, as far as resample_counts
/// goes. Where all resamples give the same value, they tell nothing: rates of one class that are 0 or 1 get
/// interval_at_end, each group being a trial, and other figures no interval. The ranks share classes and resamples, and
/// the bits are the same on any number of them. Gives one sentence for the user that names the figures of all rows that
/// have no interval for this reason; else empty.
std::string add_row_measures(Metrics& metrics, const RowOutputs& outputs, const std::vector<std::string>& labels,
                             const MeasureSettings& settings, const std::optional<Calibration>& calibration,
                             Communicator& communicator);

}  // namespace temper
