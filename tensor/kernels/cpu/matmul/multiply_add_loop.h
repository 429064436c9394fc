// The roof over matrix products: how many multiplications and additions the processor does where nothing but its
// arithmetic units can limit it.
#pragma once

#include "tensor/dtype.h"

namespace temper {

/// Multiplies and adds in registers, with the widest instructions that kernels may use for this type
/// (instruction_set.h), on as many threads as kernels use, each for 0.1 to 2 ms. Returns the operations done, two per
/// multiplication; 0 for a type that the processor has no such instructions for. f32: fused multiply-adds, before AVX2
/// multiplications and additions; bf16: AVX-512's products of pairs, or AMX's tiles.
double run_multiply_adds(DType type);

}  // namespace temper
