// How a run uses the device it is given: the type of its activations, and how its GPUs talk to each other.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "comm/nccl_communicator.h"
#include "runtime/config/config.h"
#include "tensor/device.h"

namespace temper {

using Say = std::function<void(const std::string&)>;

/// What train.precision asks for, or f32, with a line, where the device cannot do it. Throws a usage Error where
/// gradients are to be compressed that cannot be.
DType activation_type(const TrainSection& train, const Device& device, const Say& say);

/// Gives waits for a GPU the communicator's time limit. Collective: NCCL between the ranks' GPUs; null where there is
/// one rank, or no GPU, or MPI is to be used: because run.gpu_communication says so, or, with a line, because NCCL
/// cannot be started. Throws Error if it must be NCCL.
std::unique_ptr<NcclCommunicator> connect_gpus(const RunSection& run, Device& device, Communicator& communicator,
                                               const Say& say);

}  // namespace temper
