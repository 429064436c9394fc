#include "tensor/kernels/cpu/matmul/widened_weights.h"

#include "tensor/kernels/cpu/vector/vector_targets.h"
//
#include <cstdint>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tensor/kernels/cpu/matmul/widened_weights.cpp"
#include "hwy/foreach_target.h"
//
#include "hwy/highway.h"
#include "tensor/kernels/cpu/matmul/widening-inl.h"

HWY_BEFORE_NAMESPACE();
namespace temper::HWY_NAMESPACE {

void widen_some(ConstRows weights, float* to, std::int64_t stride) { widen_rows(weights, to, stride); }

}  // namespace temper::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper {

HWY_EXPORT(widen_some);

void widen_weights(ConstRows weights, float* to, std::int64_t stride) {
  HWY_DYNAMIC_DISPATCH(widen_some)(weights, to, stride);
}

}  // namespace temper
#endif  // HWY_ONCE
