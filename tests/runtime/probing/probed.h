// Curves of probes, as tests need them.
#pragma once

#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "runtime/probing/rate_advice.h"

namespace temper::testing_support {

inline constexpr double kNotFinite = std::numeric_limits<double>::quiet_NaN();

/// Rates and the losses that they end with; NaN: not finite in the third step. With `validation`, these losses are
/// those of the validation rows, and the training losses tell something else.
inline ProbedCurve probed(double start, const std::vector<std::pair<double, double>>& rates, bool validation = false) {
  ProbedCurve curve;
  curve.steps = 20;
  curve.last_steps = 5;
  curve.start.training = start;
  if (validation) curve.start.validation = start;
  for (const auto& [rate, loss] : rates) {
    ProbedRate one;
    one.rate = rate;
    one.losses = {start, start};
    if (std::isnan(loss)) one.not_finite_step = 3;
    one.end.training = validation ? start - rate : loss;
    if (validation && !std::isnan(loss)) one.end.validation = loss;
    curve.rates.push_back(std::move(one));
  }
  return curve;
}

}  // namespace temper::testing_support
