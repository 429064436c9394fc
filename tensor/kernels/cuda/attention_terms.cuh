// What distances add to scores, on the device: terms and their gradients (attention_terms.cu).
#pragma once

#include <cuda_runtime.h>

#include "tensor/kernels/cuda/attention_sequences.cuh"
#include "tensor/kernels/cuda/element.cuh"
#include "tensor/memory.h"

namespace temper {

template <typename Void>
__device__ inline std::int64_t place_of_term(const TermsOf<Void>& terms, std::int64_t row, int head,
                                             std::int64_t bucket) {
  return row * terms.row_stride + head * terms.head_stride + bucket * terms.bucket_stride;
}

__device__ inline float read_term(const TermsOf<const void>& terms, std::int64_t row, int head, std::int64_t bucket) {
  const std::int64_t place = place_of_term(terms, row, head, bucket);
  return terms.type == DType::bf16 ? read(static_cast<const BFloat16*>(terms.data) + place)
                                   : read(static_cast<const float*>(terms.data) + place);
}

/// Gradients of the terms from those of the scores, ds [heads, queries, longest] before the scale, where a query sees
/// the key.
void start_term_gradients(const AttentionGrid& grid, const RelativeGradients& gradients, const float* ds,
                          Memory& memory, cudaStream_t stream);

}  // namespace temper
