// The CUDA device: cuBLASLt for matrix products, own kernels for the rest. Everything goes to one stream, in order.
// No floating-point atomics: every sum has an order that depends on the shapes alone.
#pragma once

#include <cuda_runtime.h>

#include <memory>

#include "tensor/kernels.h"
#include "tensor/memory.h"

namespace temper {

/// Handle, workspace and chosen algorithms of cuBLASLt (matmul.cpp).
class CublasLt;

class CudaKernels final : public Kernels {
 public:
  /// Scratch is taken from `memory`, whose blocks come and go in the order of `stream`.
  CudaKernels(cudaStream_t stream, Memory& memory);
  ~CudaKernels() override;

  using Kernels::run;
  TEMPER_KERNEL_CALLS(TEMPER_OVERRIDE_RUN)

 private:
  /// A product of f32 whose `weights` are bf16.
  template <typename Call>
  void run_widened(Call call, ConstRows Call::*weights);

  cudaStream_t stream_;
  Memory& memory_;
  std::unique_ptr<CublasLt> cublas_;
};

}  // namespace temper
