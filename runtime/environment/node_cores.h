// How many cores the ranks of a node may use together, and whether their threads have room there.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/allowed_cpus.h"
#include "comm/communicator.h"

namespace temper {

struct NodeCores {
  std::string host;
  int cores = 0;  ///< that its ranks may use, bound or limited as they are; 0: not known
  int ranks = 0;
};

/// What a rank may use by itself.
struct RankCores {
  std::vector<std::uint64_t> cpus;   ///< as process_cpus() gives them
  std::vector<CpuTimeLimit> limits;  ///< of its control groups
};

/// That the ranks of one node may use together: CPUs that any of them has, but no more than the time that their control
/// groups have. A limit of some ranks only is none of the node. 0: not known.
int cores_together(const std::vector<RankCores>& ranks);

/// Collective. [nodes] in the order of the nodes' first ranks.
std::vector<NodeCores> cores_of_nodes(Communicator& communicator);

/// Collective. Threads per rank if none are configured: a rank's share of its node's cores, the same on all ranks,
/// since others would cut products differently.
int default_threads(Communicator& communicator);

/// A sentence where threads have to share cores, of the node where most do; else empty. `fixed`: a run that goes on
/// cannot have another number of threads.
std::string crowding_note(const std::vector<NodeCores>& nodes, int threads, bool fixed);

}  // namespace temper
