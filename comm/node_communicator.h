// Between the source files of this floor: the MPI communicator of a node, without MPI's header.
#pragma once

#include "comm/communicator.h"

namespace temper {

/// The MPI_Comm over the ranks of this node (a pointer in Open MPI); null where the communicator is not MPI's.
void* node_communicator_of(Communicator& communicator);

}  // namespace temper
