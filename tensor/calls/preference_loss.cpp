#include "tensor/calls/preference_loss.h"

#include <algorithm>
#include <cmath>

namespace temper {
namespace {

/// ln(1 + e^x), without overflow.
double soft_plus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }
double sigmoid(double x) { return x >= 0.0 ? 1.0 / (1.0 + std::exp(-x)) : std::exp(x) / (1.0 + std::exp(x)); }

}  // namespace

PairLoss loss_of_pair(double u, const PreferenceTerms& terms) {
  if (terms.kind == PreferenceKind::ipo) {
    const double distance = u - 0.5 / terms.beta;
    return {distance * distance, 2.0 * distance};
  }
  const double z = terms.beta * u;
  const double wrong = terms.label_smoothing;
  return {(1.0 - wrong) * soft_plus(-z) + wrong * soft_plus(z),
          terms.beta * (wrong * sigmoid(z) - (1.0 - wrong) * sigmoid(-z))};
}

namespace calls {

KernelWork PreferenceLoss::work() const { return array_work(rows, sizeof(double) + sizeof(float), 2.0); }

}  // namespace calls
}  // namespace temper
