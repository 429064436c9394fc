// Exchanges of gradients in GPU memory, behind the interface of comm/exchange/gradient_exchange.h.
#pragma once

#include <memory>

#include "comm/exchange/gradient_exchange.h"

namespace temper {

/// Over NCCL, on the device's communication stream, while the backward pass is running; one rank alone needs none.
std::unique_ptr<GradientExchange> make_device_exchange(Communicator& communicator, Device& device,
                                                       const ExchangeRequest& request);

/// Through the host's memory and MPI, for any device: each bucket is copied to the host, exchanged there, and copied
/// back. Waits for the device at each bucket, so nothing overlaps.
std::unique_ptr<GradientExchange> make_staged_exchange(Communicator& communicator, Device& device,
                                                       const ExchangeRequest& request);

}  // namespace temper
