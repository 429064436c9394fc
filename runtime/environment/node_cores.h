// How many cores the ranks of a node may use together, and whether their threads have room there.
#pragma once

#include <string>
#include <vector>

#include "comm/communicator.h"

namespace temper {

struct NodeCores {
  std::string host;
  int cores = 0;  ///< that its ranks may use, bound or limited as they are; 0: not known
  int ranks = 0;
};

/// Collective. [nodes] in the order of the nodes' first ranks.
std::vector<NodeCores> cores_of_nodes(Communicator& communicator);

/// A sentence where threads have to share cores, of the node where most do; else empty. `fixed`: a run that goes on
/// cannot have another number of threads.
std::string crowding_note(const std::vector<NodeCores>& nodes, int threads, bool fixed);

}  // namespace temper
