// Stream-ordered GPU memory: a block may be released while work that uses it is still in progress, and be reused by
// later work (cudaMallocAsync). The pool keeps its memory, so that steps after the largest request nothing from the
// driver.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "tensor/memory.h"

namespace temper {

class CudaMemory final : public Memory {
 public:
  /// `stream` must outlive it.
  CudaMemory(int device, cudaStream_t stream);

  void* allocate(std::size_t bytes) override;
  void release(void* block, std::size_t bytes) noexcept override;
  void trim() noexcept override;
  /// The most that was in use of the GPU's pool at once, by whichever stream of this process.
  [[nodiscard]] std::int64_t peak_bytes() const;

 private:
  cudaStream_t stream_;
  cudaMemPool_t pool_ = nullptr;
};

}  // namespace temper
