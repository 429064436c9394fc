// Stands in for tensor/kernels/cuda/ where the program is built without CUDA.
#include "base/error.h"
#include "tensor/cuda_device.h"

namespace temper {

CudaAvailability cuda_availability() { return {false, 0, "this program was built without CUDA", ""}; }

std::unique_ptr<CudaDevice> make_cuda_device(int /*local_rank*/) {
  throw Error("there is no CUDA device: {}", cuda_availability().unusable);
}

}  // namespace temper
