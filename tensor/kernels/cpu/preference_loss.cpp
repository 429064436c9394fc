// Few numbers, one after the other: a pair is as quick as the sum of its tokens' losses.
#include <algorithm>

#include "tensor/kernels/cpu/cpu_kernels.h"

namespace temper {
namespace {

/// What a sequence's sum is multiplied by.
double share_of_token(const calls::PreferenceLoss& call, std::int64_t sequence) {
  const std::int32_t tokens = call.starts[sequence + 1] - call.starts[sequence];
  return call.terms.length_normalized && tokens > 0 ? 1.0 / tokens : 1.0;
}

/// ln p - ln r.
double log_ratio(const calls::PreferenceLoss& call, std::int64_t sequence) {
  double log_probability = 0.0;
  for (std::int32_t row = call.starts[sequence]; row < call.starts[sequence + 1]; ++row)
    log_probability -= call.losses[row];
  return (log_probability - call.references[sequence]) * share_of_token(call, sequence);
}

}  // namespace

void CpuKernels::run(const calls::PreferenceLoss& call) {
  const PreferenceTerms& terms = call.terms;
  for (std::int64_t pair = 0; pair < call.pairs; ++pair) {
    const double u = log_ratio(call, 2 * pair) - log_ratio(call, 2 * pair + 1);
    const PairLoss loss = loss_of_pair(u, terms);
    call.sum[0] += loss.loss;
    call.sum[1] += 1.0;
    if (call.measures != nullptr) {
      call.measures[0] += u > 0.0 ? 1.0 : 0.0;
      call.measures[1] += terms.beta * u;
    }
    for (std::int64_t sequence = 2 * pair; sequence < 2 * pair + 2; ++sequence) {
      const double sign = sequence % 2 == 0 ? -1.0 : 1.0;
      std::fill(call.row_weights + call.starts[sequence], call.row_weights + call.starts[sequence + 1],
                static_cast<float>(sign * loss.slope * share_of_token(call, sequence)));
    }
  }
}

}  // namespace temper
