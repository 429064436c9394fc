// How ranks reach each other's arrays.
#pragma once

#include <cstdint>

#include "comm/communicator.h"
#include "tensor/device.h"

namespace temper {

class NcclCommunicator;

struct RankLinks {
  bool share_memory = true;          ///< on the CPU: inside a node; false: messages even there
  NcclCommunicator* nccl = nullptr;  ///< between GPUs; null: through the host
};

/// What an array of a device goes by from rank to rank.
enum class Route : std::uint8_t {
  host,     ///< the host's memory is the device's: a node's ranks share it, nodes send messages
  library,  ///< the device's own library; one rank alone needs none
  staged,   ///< copied to the host, from there as by `host`, and back
};

Route route_of(const Communicator& communicator, const Device& device, const RankLinks& links);

}  // namespace temper
