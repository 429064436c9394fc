// Lion's update of a slice, in one pass.
#include "tensor/kernels/cpu/vector/vector_targets.h"
//
#include <cstdint>

#include "tensor/kernels/cpu/cpu_kernels.h"
#include "tensor/kernels/cpu/vector/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/cpu/lion_step.cpp"
#include "hwy/foreach_target.h"
//
#include "hwy/highway.h"
#include "tensor/kernels/cpu/vector/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {

void lion(float* parameters, const float* gradients, float* momenta, BFloat16* compute_copy, std::int64_t n,
          const LionStep& by) {
  const double rate = by.learning_rate;
  const Floats d;
  const auto gradient_scale = hn::Set(d, by.gradient_scale);
  const auto decay = hn::Set(d, static_cast<float>(1.0 - rate * static_cast<double>(by.weight_decay)));
  const auto beta1 = hn::Set(d, static_cast<float>(by.beta1));
  const auto first = hn::Set(d, static_cast<float>(1.0 - by.beta1));
  const auto second = hn::Set(d, static_cast<float>(1.0 - by.beta2));
  const auto learning_rate = hn::Set(d, by.learning_rate);
  const auto zero = hn::Zero(d);
  const auto step = [&](auto access, std::int64_t i) TEMPER_VECTOR_LAMBDA {
    const auto g = hn::Mul(access.load(d, gradients + i), gradient_scale);
    const auto m = access.load(d, momenta + i);
    const auto direction = hn::MulAdd(first, g, hn::Mul(beta1, m));
    const auto size = hn::IfThenZeroElse(hn::Eq(direction, zero), learning_rate);
    access.store(hn::MulAdd(second, hn::Sub(g, m), m), d, momenta + i);
    const auto p = hn::Mul(access.load(d, parameters + i), decay);
    const auto updated = hn::Sub(p, hn::CopySign(size, direction));
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

HWY_EXPORT(lion);

void CpuKernels::run(const calls::Lion& call) {
  parallel_ranges(
      call.n, 3,
      [&](std::int64_t begin, std::int64_t end) {
        HWY_DYNAMIC_DISPATCH(lion)
        (call.parameters + begin, call.gradients + begin, call.momenta + begin, part_of(call.compute_copy, begin),
         end - begin, call.step);
      },
      kSliceGranule);
}

}  // namespace temper
#endif  // HWY_ONCE
