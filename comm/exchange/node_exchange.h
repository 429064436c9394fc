// Gradients of ranks that do not all share memory. Ranks that do (a node's) form a group: they sum directly from each
// other's buffers into the nodes of the tree that cover the group's leaves, at most 2 log2(leaves) of them, and only
// those sums go to other groups.
//
// Note: the sums follow the same tree however ranks are grouped, so the bits do not depend on the groups, unless what
// they send is rounded (Compression).
#pragma once

#include <memory>

#include "comm/exchange/gradient_exchange.h"

namespace temper {

/// Collective.
std::unique_ptr<GradientExchange> make_node_exchange(Communicator& communicator, Kernels& kernels,
                                                     const ExchangeRequest& request);

}  // namespace temper
