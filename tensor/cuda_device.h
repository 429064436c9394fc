// An NVIDIA GPU. One compute stream and one communication stream per device; stream-ordered memory; pinned buffers for
// uploads and downloads. What is declared here is defined in tensor/kernels/cuda/ where the program is built with CUDA,
// and in tensor/kernels/no_cuda/ where it is not.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "tensor/device.h"

struct CUstream_st;  // NOLINT(readability-identifier-naming): the CUDA runtime's own name

namespace temper {

using CudaStream = CUstream_st*;

class CudaDevice : public Device {
 public:
  [[nodiscard]] DeviceKind kind() const final { return DeviceKind::cuda; }
  [[nodiscard]] bool shares_host_memory() const final { return false; }
  /// What goes to the compute stream, as a CUDA graph.
  [[nodiscard]] bool records_work() const final { return true; }

  /// The stream of kernels(), memory(), upload() and download().
  [[nodiscard]] virtual CudaStream compute_stream() const = 0;
  [[nodiscard]] virtual CudaStream communication_stream() const = 0;
  /// Kernels whose work goes to the communication stream.
  [[nodiscard]] virtual Kernels& communication_kernels() = 0;

  /// Work launched on one stream from now on waits for work launched on the other before.
  virtual void communication_waits_for_compute() = 0;
  virtual void compute_waits_for_communication() = 0;
  /// True once everything given to the communication stream so far is done; does not wait. Throws Error if it failed.
  [[nodiscard]] virtual bool communication_is_done() = 0;

  /// How the host waits for the device: returns once `done` says so, or throws. By default it polls forever; whoever
  /// knows that other ranks are waited for sets what has a time limit. `what` names the wait.
  using Wait = std::function<void(const std::function<bool()>& done, const char* what)>;
  virtual void set_wait(Wait wait) = 0;
};

/// What there is to run on.
struct CudaAvailability {
  bool built = false;    ///< the program has the CUDA device
  int devices = 0;       ///< GPUs that this process sees
  std::string unusable;  ///< why there are none: one clause, for a message
  std::string versions;  ///< of toolkit and driver, for `temper version`
};
CudaAvailability cuda_availability();

/// GPU number local_rank modulo the number of GPUs that this process sees. Throws Error if there is none.
std::unique_ptr<CudaDevice> make_cuda_device(int local_rank);

}  // namespace temper
