// MPI on host memory. Every MPI status is checked where it is returned.
#pragma once

#include <functional>
#include <memory>

#include "comm/communicator.h"

namespace temper {

class RankWatch;

/// A communicator over all ranks, inside an MpiSession. `node_of`, if given, splits each host into nodes: ranks of one
/// host with the same number are one. So a single host can stand for several. `watch`, if given, outlives it, and ends
/// waits when a rank dies.
std::unique_ptr<Communicator> make_mpi_communicator(const std::function<int(int rank)>& node_of = {},
                                                    RankWatch* watch = nullptr);

}  // namespace temper
