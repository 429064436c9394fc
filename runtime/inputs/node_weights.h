// Weights that do not lie in files as they are read (quantised, transposed, of another type), converted once per node.
#pragma once

#include <memory>

#include "comm/communicator.h"
#include "model/weight_values.h"

namespace temper {

/// Room in a window that the ranks of a node share; they take turns at converting. Where a node has not enough shared
/// memory, all ranks convert into memory of their own, as does who is alone on each node, where this is null.
/// Collective; the communicator must outlive it, and all ranks of a node must give it up together.
std::unique_ptr<SharedWeightRoom> make_node_weights(Communicator& communicator);

}  // namespace temper
