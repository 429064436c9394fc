// The loss of pairs of sequences, of which one is preferred: "direct preference optimisation" (Rafailov et al. 2023,
// arXiv:2305.18290, equation 7) and what is made of the same four numbers.
#pragma once

#include <cstdint>

#include "tensor/calls/kernel_work.h"

namespace temper {

enum class PreferenceKind : std::uint8_t {
  sigmoid,  ///< -ln sigmoid(beta u)
  ipo,  ///< (u - 1 / (2 beta))^2 (Azar et al. 2023, "A general theoretical paradigm", arXiv:2310.12036, equation 17)
};

struct PreferenceTerms {
  PreferenceKind kind = PreferenceKind::sigmoid;
  double beta = 0.1;
  /// Of sigmoid: how often the pair is taken to be the wrong way round (Mitchell 2023, "A note on DPO with noisy
  /// preferences").
  double label_smoothing = 0.0;
  /// A sequence's logarithm of probability is divided by the number of tokens that count.
  bool length_normalized = false;
};

/// The loss of one pair, and its derivative by u (calls::PreferenceLoss).
struct PairLoss {
  double loss;
  double slope;
};
PairLoss loss_of_pair(double u, const PreferenceTerms& terms);

namespace calls {

/// Sequences 2 i and 2 i + 1 are a pair, the first of which is preferred. A sequence's rows are `starts`[s] to
/// `starts`[s + 1]; the sum of their `losses` (negative log-likelihoods), negated, is ln p, and `references`[s] is what
/// another model makes of it. With u = (ln p - ln r) of the first less that of the second, and e = label_smoothing,
///   sigmoid: (1 - e) ln(1 + exp(-beta u)) + e ln(1 + exp(beta u));   ipo: (u - 1 / (2 beta))^2
/// `sum` f64 [2] += the losses in the order of the pairs, and their number. `measures` f64 [2] (may be null) += pairs
/// with u > 0, and the sum of beta u. `row_weights` f32 [rows]: the derivative of the loss by each of `losses`.
struct PreferenceLoss {
  static constexpr KernelId kKernel{"preference_loss", KernelClass::pass};
  const double* losses;
  std::int64_t rows;
  const std::int32_t* starts;
  const double* references;
  std::int64_t pairs;
  PreferenceTerms terms;
  float* row_weights;
  double* sum;
  double* measures = nullptr;
  [[nodiscard]] KernelWork work() const;
};

}  // namespace calls
}  // namespace temper

/// EACH(Name) for each call of this file (tensor/kernels.h).
#define TEMPER_PREFERENCE_CALLS(EACH) EACH(PreferenceLoss)
