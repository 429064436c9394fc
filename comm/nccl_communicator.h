// Communication between GPUs: NCCL, one rank per GPU. Calls enqueue work on the device's communication stream and
// return. Defined in comm/cuda/ where the program is built with CUDA and NCCL, in comm/no_cuda/ where it is not.
//
// Note: all ranks make the same calls in the same order; pointers point to device memory; and a lost rank never
// answers, so waits for this work use `wait`, which polls NCCL for errors and has the communicator's time limit, and
// not inside CUDA.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/error.h"
#include "comm/communicator.h"
#include "tensor/cuda_device.h"

namespace temper {

/// NCCL is missing or cannot be started, and all ranks know it: another exchange may be used.
class NcclUnavailable : public Error {
 public:
  using Error::Error;
};

class NcclCommunicator {
 public:
  NcclCommunicator() = default;
  NcclCommunicator(const NcclCommunicator&) = delete;
  NcclCommunicator& operator=(const NcclCommunicator&) = delete;
  virtual ~NcclCommunicator() = default;

  [[nodiscard]] virtual int rank() const = 0;
  [[nodiscard]] virtual int size() const = 0;
  /// That it was made with.
  [[nodiscard]] virtual CudaDevice& device() const = 0;

  /// values [n] becomes the sum over ranks.
  virtual void all_reduce(float* values, std::int64_t n) = 0;
  /// sum [n] of the root becomes the sum over ranks of mine [n]; may be mine. Of the others it is not touched.
  virtual void reduce(const float* mine, float* sum, std::int64_t n, int root) = 0;
  /// mine [each] becomes the sum over ranks of elements [rank * each, (rank + 1) * each) of all; may lie there itself.
  virtual void reduce_scatter(const float* all, float* mine, std::int64_t each) = 0;
  /// all [size * each]: the ranks' mine [each] in rank order; mine may lie in its place of all.
  virtual void all_gather(const float* mine, float* all, std::int64_t each) = 0;
  virtual void broadcast(float* values, std::int64_t n, int root) = 0;
  /// Point to point. Messages between two ranks are matched in the order of the calls; inside a group all of them, in
  /// both directions, are under way together.
  virtual void send(const float* values, std::int64_t n, int to) = 0;
  virtual void receive(float* values, std::int64_t n, int from) = 0;
  /// The calls between the two are started together.
  virtual void begin_group() = 0;
  virtual void end_group() = 0;

  /// Throws Error if NCCL has met an error meanwhile; all operations are aborted then.
  virtual void check() = 0;
  /// Waits until all operations so far are done. Throws Error after an error of NCCL or the time limit of the
  /// communicator it was made from, having aborted what was under way. `what` names the wait.
  virtual void wait(const char* what) = 0;
};

bool nccl_is_built();
/// "2.27.3"; empty where it is not built.
std::string nccl_version();

/// Collective. Throws NcclUnavailable on all ranks where NCCL is not there or cannot be started, another Error where
/// the ranks could not even agree on that.
std::unique_ptr<NcclCommunicator> make_nccl_communicator(Communicator& communicator, CudaDevice& device);

}  // namespace temper
