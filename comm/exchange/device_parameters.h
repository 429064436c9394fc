// Parameters in the memory of GPUs, one arena per rank. Whoever reads them rounds its own copy to bf16.
#pragma once

#include <memory>

#include "comm/exchange/parameter_exchange.h"

namespace temper {

/// Collective. Over NCCL, on the device's communication stream; one rank alone needs none.
std::unique_ptr<ParameterExchange> make_device_parameters(Communicator& communicator, Device& device,
                                                          const ParameterRequest& request);

/// Collective. Through the host's memory and MPI, for any device.
std::unique_ptr<ParameterExchange> make_staged_parameters(Communicator& communicator, Device& device,
                                                          const ParameterRequest& request);

}  // namespace temper
