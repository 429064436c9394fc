#include "runtime/tasks/operating_points.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace temper {
namespace {

/// The first of the points that are as good as any by `value`, which compares as a whole.
template <typename Value>
double best_threshold(const RocCurve& curve, Value value) {
  return std::max_element(curve.points.begin(), curve.points.end(),
                          [&](const RocPoint& a, const RocPoint& b) { return value(a) < value(b); })
      ->threshold;
}

}  // namespace

ThresholdRule threshold_rule(std::string_view name) {
  const auto* found = std::find(kThresholdRules.begin(), kThresholdRules.end(), name);
  if (found == kThresholdRules.end())
    throw usage_error("evaluate.threshold_by is '{}'; expected one of {}", name, fmt::join(kThresholdRules, ", "));
  return static_cast<ThresholdRule>(found - kThresholdRules.begin());
}

double ClassThresholds::by(ThresholdRule rule) const {
  switch (rule) {
    case ThresholdRule::youden:
      return youden;
    case ThresholdRule::specificity:
      return at_specificity;
    case ThresholdRule::sensitivity:
      return at_sensitivity;
  }
  return youden;
}

ClassThresholds chosen_thresholds(const RocCurve& curve, double specificity, double sensitivity) {
  // Whole numbers, so that what is equal is found equal: sensitivity + specificity - 1, times positives and negatives.
  const auto youden = [&](const RocPoint& point) {
    return static_cast<double>(point.true_positives) * static_cast<double>(curve.negatives) -
           static_cast<double>(point.false_positives) * static_cast<double>(curve.positives);
  };
  const auto at_specificity = [&](const RocPoint& point) {
    if (curve.specificity(point) < specificity) return std::pair(-1.0, 0.0);
    return std::pair(curve.sensitivity(point), curve.specificity(point));
  };
  const auto at_sensitivity = [&](const RocPoint& point) {
    if (curve.sensitivity(point) < sensitivity) return std::pair(-1.0, 0.0);
    return std::pair(curve.specificity(point), curve.sensitivity(point));
  };
  return {
      {}, best_threshold(curve, youden), best_threshold(curve, at_specificity), best_threshold(curve, at_sensitivity)};
}

}  // namespace temper
