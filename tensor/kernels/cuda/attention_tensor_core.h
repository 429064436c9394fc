// Attention of bf16 heads on tensor cores (attention_tensor_core.cu, attention_tensor_core_backward.cu). Which calls
// come here is decided in attention.cu.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include "tensor/kernels/cuda/attention_sequences.cuh"

namespace temper {

/// For heads of a width that is a multiple of 16, up to this one, and a positive scale.
constexpr int kMostTensorCoreWidth = 128;

void tensor_core_attention_forward(const AttentionForward<__nv_bfloat16>& call, cudaStream_t stream);

/// In the terms of the rows, log_sum_exp is a logarithm to base 2.
void tensor_core_attention_backward(const AttentionBackward<__nv_bfloat16>& call, cudaStream_t stream);

}  // namespace temper
