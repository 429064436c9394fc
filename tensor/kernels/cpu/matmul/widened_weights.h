// Weights in bf16 as f32, for products that read them as such (widening-inl.h).
#pragma once

#include "tensor/rows.h"

namespace temper {

/// to[i * stride + j] = element (i, j) of f32 or bf16 weights, by the calling thread.
void widen_weights(ConstRows weights, float* to, std::int64_t stride);

}  // namespace temper
