// Every status of CUDA and cuBLASLt is checked where it is returned.
#pragma once

#include <cublasLt.h>
#include <cuda_runtime.h>

namespace temper {

/// Throws Error if the call failed; `what` names it.
void check_cuda(cudaError_t status, const char* what);
void check_cublas(cublasStatus_t status, const char* what);
/// Throws Error with this sentence: for files that nvcc compiles, which keep away from base/error.h.
[[noreturn]] void refuse(const char* sentence);

}  // namespace temper
