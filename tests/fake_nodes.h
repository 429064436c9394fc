// One host that stands for several nodes.
#pragma once

#include <functional>
#include <memory>

#include "comm/mpi_communicator.h"
#include "comm/mpi_session.h"

namespace temper::testing_support {

/// All ranks, on the nodes that `node_of` says; without MPI the one rank.
inline std::unique_ptr<Communicator> split_into_nodes(const std::function<int(int rank)>& node_of) {
  return MpiSession::launched_by_mpi() ? make_mpi_communicator(node_of) : make_solo_communicator();
}

}  // namespace temper::testing_support
