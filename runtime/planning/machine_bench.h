// Measures a machine with the program's own kernels and exchanges: the contents of a MachineProfile.
#pragma once

#include <filesystem>

#include "comm/communicator.h"
#include "runtime/planning/machine_profile.h"
#include "tensor/device.h"

namespace temper {

struct MachineBenchOptions {
  bool quick = false;            ///< a fifth of the shapes, once each: 1 to 2 s instead of 10 to 20
  std::filesystem::path folder;  ///< where writing to disk is measured; empty: it is not
  double process_seconds = 0.0;  ///< since the process began
};

/// Collective. From then on the device times its kernels. Every figure is the best of seven rounds, of the slowest
/// rank.
MachineProfile measure_machine(Device& device, Communicator& communicator, const MachineBenchOptions& options);

}  // namespace temper
