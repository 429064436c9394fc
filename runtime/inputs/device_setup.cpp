#include "runtime/inputs/device_setup.h"

#include "base/error.h"

namespace temper {

DType activation_type(const TrainSection& train, const Device& device, const Say& say) {
  if (train.compress_gradients != "none" && !device.shares_host_memory())
    throw usage_error(
        "train.compress_gradients is {}, but gradients of GPUs are not compressed; set it to none, or run.device to "
        "cpu",
        train.compress_gradients);
  if (train.precision != "bf16") return DType::f32;
  if (device.has_bf16()) return DType::bf16;
  say(fmt::format("train.precision is bf16, but {} computes in f32 here: going on in f32", device.name()));
  return DType::f32;
}

std::unique_ptr<NcclCommunicator> connect_gpus(const RunSection& run, Device& device, Communicator& communicator,
                                               const Say& say) {
  auto* cuda = dynamic_cast<CudaDevice*>(&device);
  if (cuda == nullptr) return nullptr;
  cuda->set_wait(
      [&communicator](const std::function<bool()>& done, const char* what) { communicator.wait_until(done, what); });
  if (communicator.size() == 1 || run.gpu_communication == "mpi") return nullptr;
  try {
    return make_nccl_communicator(communicator, *cuda);
  } catch (const NcclUnavailable& error) {
    if (run.gpu_communication == "nccl") throw;
    say(fmt::format("{}: gradients go through the hosts' memory and MPI, which is slower", error.what()));
  }
  return nullptr;
}

}  // namespace temper
