// Optimiser updates: each slice of parameters, gradients and state passes through once.
#include "tensor/kernels/cpu/vector/vector_targets.h"
//
#include <algorithm>
#include <cmath>
#include <cstdint>

#include "tensor/kernels/cpu/cpu_kernels.h"
#include "tensor/kernels/cpu/vector/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/cpu/optimizer_step.cpp"
#include "hwy/foreach_target.h"
//
#include "hwy/highway.h"
#include "tensor/kernels/cpu/vector/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {

void adamw(float* parameters, const float* gradients, float* first_moments, float* second_moments,
           BFloat16* compute_copy, std::int64_t n, const AdamWStep& by) {
  // The corrections are worked out in double: 1 - beta2 has few digits left in f32.
  const double rate = by.learning_rate;
  const auto power = static_cast<double>(by.step);
  const Floats d;
  const auto gradient_scale = hn::Set(d, by.gradient_scale);
  const auto decay = hn::Set(d, static_cast<float>(1.0 - rate * static_cast<double>(by.weight_decay)));
  const auto first = hn::Set(d, static_cast<float>(1.0 - by.beta1));
  const auto second = hn::Set(d, static_cast<float>(1.0 - by.beta2));
  const auto beta2 = hn::Set(d, static_cast<float>(by.beta2));
  const auto step_size = hn::Set(d, static_cast<float>(rate / (1.0 - std::pow(by.beta1, power))));
  const auto inverse_root_correction = hn::Set(d, static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(by.beta2, power))));
  const auto epsilon = hn::Set(d, by.epsilon);
  const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
    const auto g = hn::Mul(access.load(d, gradients + i), gradient_scale);
    auto m = access.load(d, first_moments + i);
    m = hn::MulAdd(first, hn::Sub(g, m), m);
    const auto v = hn::MulAdd(hn::Mul(second, g), g, hn::Mul(beta2, access.load(d, second_moments + i)));
    const auto denominator = hn::MulAdd(hn::Sqrt(v), inverse_root_correction, epsilon);
    const auto p = hn::Mul(access.load(d, parameters + i), decay);
    access.store(m, d, first_moments + i);
    access.store(v, d, second_moments + i);
    const auto updated = hn::NegMulAdd(step_size, hn::Div(m, denominator), p);
    access.store(updated, d, parameters + i);
    if (compute_copy != nullptr) {
      access.store(updated, d, compute_copy + i);
    }
  };
  for_each_vector(d, n, step);
}

void sgd(float* parameters, const float* gradients, float* momenta, BFloat16* compute_copy, std::int64_t n,
         const SgdStep& by) {
  const Floats d;
  const auto gradient_scale = hn::Set(d, by.gradient_scale);
  const auto weight_decay = hn::Set(d, by.weight_decay);
  const auto momentum = hn::Set(d, by.momentum);
  const auto learning_rate = hn::Set(d, by.learning_rate);
  const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
    const auto p = access.load(d, parameters + i);
    auto update = hn::MulAdd(weight_decay, p, hn::Mul(access.load(d, gradients + i), gradient_scale));
    if (momenta != nullptr) {
      update = hn::MulAdd(momentum, access.load(d, momenta + i), update);
      access.store(update, d, momenta + i);
    }
    const auto updated = hn::NegMulAdd(learning_rate, update, p);
    access.store(updated, d, parameters + i);
    if (compute_copy != nullptr) {
      access.store(updated, d, compute_copy + i);
    }
  };
  for_each_vector(d, n, step);
}

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper {

HWY_EXPORT(adamw);
HWY_EXPORT(sgd);

void CpuKernels::run(const calls::AdamW& call) {
  parallel_ranges(
      call.n, 4,
      [&](std::int64_t begin, std::int64_t end) {
        HWY_DYNAMIC_DISPATCH(adamw)
        (call.parameters + begin, call.gradients + begin, call.first_moments + begin, call.second_moments + begin,
         part_of(call.compute_copy, begin), end - begin, call.step);
      },
      kSliceGranule);
}

void CpuKernels::run(const calls::Sgd& call) {
  parallel_ranges(
      call.n, 2,
      [&](std::int64_t begin, std::int64_t end) {
        HWY_DYNAMIC_DISPATCH(sgd)
        (call.parameters + begin, call.gradients + begin, part_of(call.momenta, begin),
         part_of(call.compute_copy, begin), end - begin, call.step);
      },
      kSliceGranule);
}

}  // namespace temper
#endif  // HWY_ONCE
