// Lion's update of a slice, with the arithmetic of the CPU (tensor/kernels/cpu/lion_step.cpp). Products that stand
// alone there are __fmul_rn here, or the compiler would fuse them with the sum behind them.
#include <cstdint>

#include "tensor/kernels/cuda/cuda_kernels.h"
#include "tensor/kernels/cuda/element.cuh"
#include "tensor/kernels/cuda/launch.cuh"

namespace temper {
namespace {

/// Where a slice lies. `compute_copy` may be null.
struct Slice {
  float* parameters;
  const float* gradients;
  float* momenta;
  BFloat16* compute_copy;
  std::int64_t n;
};

struct LionFactors {
  float gradient_scale;
  float decay;
  float beta1;
  float first;   ///< 1 - beta1
  float second;  ///< 1 - beta2
  float learning_rate;
};

template <int kWidth>
__global__ void __launch_bounds__(kThreads) lion(Slice slice, LionFactors by) {
  const Place place = place_in<kWidth>(1, slice.n);
  if (place.count == 0) return;
  float parameters[kWidth];
  float gradients[kWidth];
  float momenta[kWidth];
  load(slice.parameters + place.column, place.count, parameters);
  load(slice.gradients + place.column, place.count, gradients);
  load(slice.momenta + place.column, place.count, momenta);
#pragma unroll
  for (int i = 0; i < kWidth; ++i) {
    const float g = __fmul_rn(gradients[i], by.gradient_scale);
    const float direction = fmaf(by.first, g, __fmul_rn(by.beta1, momenta[i]));
    const float size = direction == 0.0F ? 0.0F : by.learning_rate;
    momenta[i] = fmaf(by.second, __fsub_rn(g, momenta[i]), momenta[i]);
    parameters[i] = __fsub_rn(__fmul_rn(parameters[i], by.decay), copysignf(size, direction));
  }
  store(momenta, place.count, slice.momenta + place.column);
  store(parameters, place.count, slice.parameters + place.column);
  if (slice.compute_copy != nullptr) store(parameters, place.count, slice.compute_copy + place.column);
}

}  // namespace

void CudaKernels::run(const calls::Lion& call) {
  const Slice slice{call.parameters, call.gradients, call.momenta, call.compute_copy, call.n};
  const double rate = call.step.learning_rate;
  const LionFactors factors{call.step.gradient_scale,
                            static_cast<float>(1.0 - rate * static_cast<double>(call.step.weight_decay)),
                            static_cast<float>(call.step.beta1),
                            static_cast<float>(1.0 - call.step.beta1),
                            static_cast<float>(1.0 - call.step.beta2),
                            call.step.learning_rate};
  const bool in_packs = begins_pack(call.parameters) && begins_pack(call.gradients) && begins_pack(call.momenta) &&
                        begins_pack(call.compute_copy);
  with_width(in_packs, [&]<int kWidth>(std::integral_constant<int, kWidth>) {
    launch(lion<kWidth>, grid_over<kWidth>(1, call.n), kThreads, 0, stream_, slice, factors);
  });
}

}  // namespace temper
