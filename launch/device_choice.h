// Which device a rank computes on.
#pragma once

#include <memory>
#include <string>

#include "comm/communicator.h"
#include "tensor/device.h"

namespace temper {

/// Collective. "cpu": the processor. "cuda": a GPU for each rank, chosen by its number on the node; throws Error if any
/// rank finds none. "auto": GPUs if every rank finds one, else the processor, with a line on standard error where the
/// program could have used a GPU. Throws a usage Error for another name.
std::unique_ptr<Device> make_device(const std::string& name, Communicator& world);

}  // namespace temper
