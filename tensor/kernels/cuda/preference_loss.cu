// One block: a thread takes a pair, and adds the losses of its tokens in their order, as the host does; the sums over
// pairs are taken in an order that depends on their number alone.
#include <cstdint>

#include "tensor/kernels/cuda/block_sum.cuh"
#include "tensor/kernels/cuda/cuda_kernels.h"
#include "tensor/kernels/cuda/launch.cuh"

namespace temper {
namespace {

constexpr int kPairThreads = 256;

/// ln(1 + e^x), without overflow.
__device__ double soft_plus(double x) { return (x > 0.0 ? x : 0.0) + log1p(exp(x > 0.0 ? -x : x)); }
__device__ double sigmoid_of(double x) { return x >= 0.0 ? 1.0 / (1.0 + exp(-x)) : exp(x) / (1.0 + exp(x)); }

/// What a sequence's sum is multiplied by.
__device__ double share_of_token(const calls::PreferenceLoss& call, std::int64_t sequence) {
  const std::int32_t tokens = call.starts[sequence + 1] - call.starts[sequence];
  return call.terms.length_normalized && tokens > 0 ? 1.0 / tokens : 1.0;
}

/// ln p - ln r.
__device__ double log_ratio(const calls::PreferenceLoss& call, std::int64_t sequence) {
  double log_probability = 0.0;
  for (std::int32_t row = call.starts[sequence]; row < call.starts[sequence + 1]; ++row)
    log_probability -= call.losses[row];
  return (log_probability - call.references[sequence]) * share_of_token(call, sequence);
}

__global__ void __launch_bounds__(kPairThreads) add_preference_losses(calls::PreferenceLoss call) {
  const PreferenceTerms terms = call.terms;
  double loss = 0.0;
  double right = 0.0;
  double margin = 0.0;
  for (std::int64_t pair = threadIdx.x; pair < call.pairs; pair += kPairThreads) {
    const double u = log_ratio(call, 2 * pair) - log_ratio(call, 2 * pair + 1);
    double slope = 0.0;
    if (terms.kind == PreferenceKind::ipo) {
      const double distance = u - 0.5 / terms.beta;
      loss += distance * distance;
      slope = 2.0 * distance;
    } else {
      const double z = terms.beta * u;
      loss += (1.0 - terms.label_smoothing) * soft_plus(-z) + terms.label_smoothing * soft_plus(z);
      slope = terms.beta * (terms.label_smoothing * sigmoid_of(z) - (1.0 - terms.label_smoothing) * sigmoid_of(-z));
    }
    right += u > 0.0 ? 1.0 : 0.0;
    margin += terms.beta * u;
    for (std::int64_t sequence = 2 * pair; sequence < 2 * pair + 2; ++sequence) {
      const double sign = sequence % 2 == 0 ? -1.0 : 1.0;
      const auto weight = static_cast<float>(sign * slope * share_of_token(call, sequence));
      for (std::int32_t row = call.starts[sequence]; row < call.starts[sequence + 1]; ++row)
        call.row_weights[row] = weight;
    }
  }
  loss = over_block<kPairThreads>(Sum{}, loss);
  right = over_block<kPairThreads>(Sum{}, right);
  margin = over_block<kPairThreads>(Sum{}, margin);
  if (threadIdx.x != 0) return;
  call.sum[0] += loss;
  call.sum[1] += static_cast<double>(call.pairs);
  if (call.measures == nullptr) return;
  call.measures[0] += right;
  call.measures[1] += margin;
}

}  // namespace

void CudaKernels::run(const calls::PreferenceLoss& call) {
  launch(add_preference_losses, dim3(1), kPairThreads, 0, stream_, call);
}

}  // namespace temper
