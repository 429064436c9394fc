// Parameters in the host's memory: ranks that share it (a node's) hold one arena, in a window, and owners send their
// slices once to every other node.
#pragma once

#include <memory>

#include "comm/exchange/parameter_exchange.h"

namespace temper {

/// Collective. Throws Error where the node has not enough shared memory.
std::unique_ptr<ParameterExchange> make_host_parameters(Communicator& communicator, const ParameterRequest& request);

}  // namespace temper
