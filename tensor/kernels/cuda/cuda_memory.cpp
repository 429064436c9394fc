#include "tensor/kernels/cuda/cuda_memory.h"

#include <algorithm>
#include <cstdint>
#include <limits>

#include "tensor/kernels/cuda/cuda_status.h"

namespace temper {

CudaMemory::CudaMemory(int device, cudaStream_t stream) : stream_(stream) {
  check_cuda(cudaDeviceGetDefaultMemPool(&pool_, device), "cudaDeviceGetDefaultMemPool");
  std::uint64_t keep_all = std::numeric_limits<std::uint64_t>::max();
  check_cuda(cudaMemPoolSetAttribute(pool_, cudaMemPoolAttrReleaseThreshold, &keep_all), "cudaMemPoolSetAttribute");
}

void* CudaMemory::allocate(std::size_t bytes) {
  void* block = nullptr;
  check_cuda(cudaMallocAsync(&block, std::max<std::size_t>(bytes, 1), stream_), "cudaMallocAsync");
  return block;
}

void CudaMemory::release(void* block, std::size_t /*bytes*/) noexcept {
  // At the end after an error there is nobody to tell, and nothing that could be done.
  (void)cudaFreeAsync(block, stream_);
}

std::int64_t CudaMemory::peak_bytes() const {
  std::uint64_t bytes = 0;
  check_cuda(cudaMemPoolGetAttribute(pool_, cudaMemPoolAttrUsedMemHigh, &bytes), "cudaMemPoolGetAttribute");
  return static_cast<std::int64_t>(bytes);
}

void CudaMemory::trim() noexcept { (void)cudaMemPoolTrimTo(pool_, 0); }

}  // namespace temper
