// The single function that launches every kernel.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <utility>

#include "tensor/kernels/cuda/cuda_status.h"

namespace temper {

/// Starts `grid` blocks of `threads` threads with `shared_bytes` of dynamic shared memory each; nothing where the grid
/// is empty. Arguments are converted to the kernel's parameters and copied.
template <typename... Parameters, typename... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, unsigned threads, std::size_t shared_bytes, cudaStream_t stream,
            Arguments&&... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  // What a kernel may use without opting in.
  constexpr std::size_t kFreeShared = 48 * 1024;
  if (shared_bytes > kFreeShared)
    check_cuda(
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes)),
        "cudaFuncSetAttribute");
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = dim3(threads);
  config.dynamicSmemBytes = shared_bytes;
  config.stream = stream;
  check_cuda(cudaLaunchKernelEx(&config, kernel, std::forward<Arguments>(arguments)...), "a kernel launch");
}

}  // namespace temper
