// Where to draw the line between negative and positive: thresholds, each chosen on the curve of the rows that it may be
// chosen on.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/tasks/ranking.h"

namespace temper {

/// Which of a model's thresholds decides.
enum class ThresholdRule : std::uint8_t { youden, specificity, sensitivity };

/// As evaluate.threshold_by has them, in the order of ThresholdRule.
inline constexpr std::array<std::string_view, 3> kThresholdRules{"youden", "specificity", "sensitivity"};
/// Throws a usage Error that lists them.
ThresholdRule threshold_rule(std::string_view name);

/// A row is called positive where its probability is at least this high; infinite: no row is.
struct ClassThresholds {
  std::string label;    ///< that positive means
  double youden = 0.0;  ///< with the largest sensitivity + specificity - 1 (Youden, "Index for rating diagnostic
                        ///< tests", 1950); of several the highest
  double at_specificity = 0.0;  ///< with the largest sensitivity among those of at least the stated specificity
  double at_sensitivity = 0.0;  ///< with the largest specificity among those of at least the stated sensitivity

  [[nodiscard]] double by(ThresholdRule rule) const;
  friend bool operator==(const ClassThresholds&, const ClassThresholds&) = default;
};

/// Of a curve that is defined.
ClassThresholds chosen_thresholds(const RocCurve& curve, double specificity, double sensitivity);

}  // namespace temper
