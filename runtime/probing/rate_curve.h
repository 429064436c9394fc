// The curve of a probe as a picture: rates along a logarithmic axis, the losses that they end with, and the
// recommended rate.
#pragma once

#include <string>

#include "runtime/probing/rate_advice.h"

namespace temper {

/// SVG 1.1, a document of its own that needs nothing beside it. Rates whose loss is not finite, or far above where it
/// began, are crosses at the upper edge. The same bytes for the same curve.
std::string rate_curve_svg(const ProbedCurve& curve, const RateAdvice& advice);

}  // namespace temper
