// Weights in bf16, f16 or quantised as f32, for products that read them as such (widening-inl.h).
#pragma once

#include "tensor/rows.h"

namespace temper {

/// to[i * stride + j] = element (i, j) of weights, by the calling thread.
void widen_weights(ConstRows weights, float* to, std::int64_t stride);

}  // namespace temper
