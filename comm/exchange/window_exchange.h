// Gradients of the ranks of one node, which sum directly from each other's buffers in a window that all of them see.
#pragma once

#include <memory>

#include "comm/exchange/gradient_exchange.h"

namespace temper {

/// Collective. Throws Error where the node has not enough shared memory.
std::unique_ptr<GradientExchange> make_window_exchange(Communicator& communicator, Kernels& kernels,
                                                       const ExchangeRequest& request);

}  // namespace temper
