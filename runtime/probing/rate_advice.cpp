#include "runtime/probing/rate_advice.h"

#include <fmt/format.h>

#include <cmath>

namespace temper {
namespace {

/// Of the fall of the best rate, what is as good.
constexpr double kShareOfBest = 0.95;
/// Of the untrained model's loss, a fall below which a few rows more or less would choose another rate.
constexpr double kFallThatCounts = 0.01;

/// How far a rate lowered the loss; NaN where it is not finite.
double fall_of(const ProbedCurve& curve, const ProbedRate& rate) {
  if (rate.not_finite_step) return std::nan("");
  return judged_loss(curve.start) - judged_loss(rate.end);
}

std::string verdict_on(const ProbedCurve& curve, const ProbedRate& rate) {
  if (rate.not_finite_step) return fmt::format("diverged: not finite in step {}", *rate.not_finite_step);
  const double fall = fall_of(curve, rate);
  if (!std::isfinite(fall)) return "diverged: not finite behind its last step";
  if (fall < 0.0) return "diverged: worse than the untrained model";
  return {};
}

std::string sentence_on(const ProbedCurve& curve, const RateAdvice& advice) {
  const std::string rows = curve.has_validation() ? "validation" : "training";
  if (!advice.recommended)
    return fmt::format(
        "No rate lowered the {} loss of {:.4f} in {} steps: try lower rates (--probe-rates), or more steps "
        "(--probe-steps)",
        rows, judged_loss(curve.start), curve.steps);
  const double share = fall_of(curve, curve.rates[*advice.lowest]) / std::abs(judged_loss(curve.start));
  if (share < kFallThatCounts)
    return fmt::format(
        "No rate lowered the {} loss by more than {:.2f} %, which may be chance: more steps (--probe-steps) tell more",
        rows, 100.0 * share);
  if (*advice.lowest + 1 == curve.rates.size())
    return "The highest rate has the lowest loss, so a higher one may be better: probe on from there (--probe-rates)";
  if (*advice.recommended == 0)
    return "The lowest rate is as good as any, so a lower one may do: probe on from there (--probe-rates)";
  return {};
}

}  // namespace

double judged_loss(const ProbedLoss& loss) { return loss.validation.value_or(loss.training); }

std::int64_t last_steps_of(std::int64_t steps) { return (steps + 3) / 4; }

RateAdvice advise(const ProbedCurve& curve) {
  RateAdvice advice;
  double best = 0.0;
  for (std::size_t i = 0; i < curve.rates.size(); ++i) {
    advice.notes.push_back(verdict_on(curve, curve.rates[i]));
    const double fall = fall_of(curve, curve.rates[i]);
    if (!(fall > best)) continue;
    best = fall;
    advice.lowest = i;
  }
  for (std::size_t i = 0; advice.lowest && !advice.recommended; ++i)
    if (fall_of(curve, curve.rates[i]) >= kShareOfBest * best) advice.recommended = i;
  if (advice.lowest && advice.lowest != advice.recommended) advice.notes[*advice.lowest] = "lowest loss";
  if (advice.recommended) advice.notes[*advice.recommended] = "recommended";
  advice.sentence = sentence_on(curve, advice);
  return advice;
}

}  // namespace temper
