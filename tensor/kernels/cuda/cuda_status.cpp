#include "tensor/kernels/cuda/cuda_status.h"

#include "base/error.h"

namespace temper {

void check_cuda(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  if (status == cudaErrorMemoryAllocation)
    throw Error(
        "out of GPU memory in {}; lower train.batch_size or raise train.gradient_accumulation, or freeze more layers",
        what);
  throw Error("{} failed: {} ({})", what, cudaGetErrorString(status), cudaGetErrorName(status));
}

void check_cublas(cublasStatus_t status, const char* what) {
  if (status != CUBLAS_STATUS_SUCCESS)
    throw Error("{} failed: {}", what, cublasLtGetStatusString(status));
}

void refuse(const char* sentence) { throw Error("{}", sentence); }

}  // namespace temper
