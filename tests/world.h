// The communicator of a test program that may run under mpirun; its main defines it.
#pragma once

#include "comm/communicator.h"

namespace temper {

Communicator& world_communicator();

}  // namespace temper
