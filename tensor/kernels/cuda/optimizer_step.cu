// Optimiser updates: each slice of parameters, gradients and state passes through once, with the arithmetic of the CPU
// (tensor/kernels/cpu/optimizer_step.cpp). Products that stand alone there are __fmul_rn here, or the compiler would
// fuse them with the sum behind them.
#include <cmath>
#include <cstdint>

#include "tensor/kernels/cuda/cuda_kernels.h"
#include "tensor/kernels/cuda/element.cuh"
#include "tensor/kernels/cuda/launch.cuh"

namespace temper {
namespace {

/// Where a slice lies. `second_moments` and `compute_copy` may be null.
struct Slice {
  float* parameters;
  const float* gradients;
  float* first_moments;
  float* second_moments;
  BFloat16* compute_copy;
  std::int64_t n;
};

struct AdamWFactors {
  float gradient_scale;
  float decay;
  float first;   ///< 1 - beta1
  float second;  ///< 1 - beta2
  float beta2;
  float step_size;
  float inverse_root_correction;
  float epsilon;
};

/// The corrections are worked out in double: 1 - beta2 has few digits left in f32.
AdamWFactors factors_of(const AdamWStep& by) {
  const double rate = by.learning_rate;
  const auto power = static_cast<double>(by.step);
  return {by.gradient_scale,
          static_cast<float>(1.0 - rate * static_cast<double>(by.weight_decay)),
          static_cast<float>(1.0 - by.beta1),
          static_cast<float>(1.0 - by.beta2),
          static_cast<float>(by.beta2),
          static_cast<float>(rate / (1.0 - std::pow(by.beta1, power))),
          static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(by.beta2, power))),
          by.epsilon};
}

template <int kWidth>
__global__ void __launch_bounds__(kThreads) adamw(Slice slice, AdamWFactors by) {
  const Place place = place_in<kWidth>(1, slice.n);
  if (place.count == 0) return;
  float parameters[kWidth];
  float gradients[kWidth];
  float first[kWidth];
  float second[kWidth];
  load(slice.parameters + place.column, place.count, parameters);
  load(slice.gradients + place.column, place.count, gradients);
  load(slice.first_moments + place.column, place.count, first);
  load(slice.second_moments + place.column, place.count, second);
#pragma unroll
  for (int i = 0; i < kWidth; ++i) {
    const float g = __fmul_rn(gradients[i], by.gradient_scale);
    first[i] = fmaf(by.first, __fsub_rn(g, first[i]), first[i]);
    second[i] = fmaf(__fmul_rn(by.second, g), g, __fmul_rn(by.beta2, second[i]));
    const float denominator = fmaf(sqrtf(second[i]), by.inverse_root_correction, by.epsilon);
    parameters[i] = fmaf(-by.step_size, first[i] / denominator, __fmul_rn(parameters[i], by.decay));
  }
  store(first, place.count, slice.first_moments + place.column);
  store(second, place.count, slice.second_moments + place.column);
  store(parameters, place.count, slice.parameters + place.column);
  if (slice.compute_copy != nullptr) store(parameters, place.count, slice.compute_copy + place.column);
}

/// Momenta are first_moments.
template <int kWidth>
__global__ void __launch_bounds__(kThreads) sgd(Slice slice, SgdStep by) {
  const Place place = place_in<kWidth>(1, slice.n);
  if (place.count == 0) return;
  float parameters[kWidth];
  float updates[kWidth];
  load(slice.parameters + place.column, place.count, parameters);
  load(slice.gradients + place.column, place.count, updates);
#pragma unroll
  for (int i = 0; i < kWidth; ++i) {
    updates[i] = fmaf(by.weight_decay, parameters[i], __fmul_rn(updates[i], by.gradient_scale));
  }
  if (slice.first_moments != nullptr) {
    float momenta[kWidth];
    load(slice.first_moments + place.column, place.count, momenta);
#pragma unroll
    for (int i = 0; i < kWidth; ++i) updates[i] = fmaf(by.momentum, momenta[i], updates[i]);
    store(updates, place.count, slice.first_moments + place.column);
  }
#pragma unroll
  for (int i = 0; i < kWidth; ++i) parameters[i] = fmaf(-by.learning_rate, updates[i], parameters[i]);
  store(parameters, place.count, slice.parameters + place.column);
  if (slice.compute_copy != nullptr) store(parameters, place.count, slice.compute_copy + place.column);
}

bool begins_packs(const Slice& slice) {
  return begins_pack(slice.parameters) && begins_pack(slice.gradients) && begins_pack(slice.first_moments) &&
         begins_pack(slice.second_moments) && begins_pack(slice.compute_copy);
}

}  // namespace

void CudaKernels::run(const calls::AdamW& call) {
  const Slice slice{call.parameters,     call.gradients,    call.first_moments,
                    call.second_moments, call.compute_copy, call.n};
  with_width(begins_packs(slice), [&]<int kWidth>(std::integral_constant<int, kWidth>) {
    launch(adamw<kWidth>, grid_over<kWidth>(1, call.n), kThreads, 0, stream_, slice, factors_of(call.step));
  });
}

void CudaKernels::run(const calls::Sgd& call) {
  const Slice slice{call.parameters, call.gradients, call.momenta, nullptr, call.compute_copy, call.n};
  with_width(begins_packs(slice), [&]<int kWidth>(std::integral_constant<int, kWidth>) {
    launch(sgd<kWidth>, grid_over<kWidth>(1, call.n), kThreads, 0, stream_, slice, call.step);
  });
}

}  // namespace temper
