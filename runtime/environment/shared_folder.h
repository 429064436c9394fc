// Whether all hosts see one folder: looked at before the first step and not found out at the first checkpoint.
#pragma once

#include <chrono>
#include <filesystem>

#include "comm/communicator.h"

namespace temper {

/// Collective. Rank 0 writes a random word into a file of the folder, and every rank reads it. For `patience` ranks try
/// again, since a network's file system may show what was written elsewhere a moment later. Throws the same Error on
/// all ranks, naming a host that does not see it; the file is removed in any case.
void require_shared_folder(const std::filesystem::path& folder, Communicator& communicator,
                           std::chrono::milliseconds patience = std::chrono::seconds(5));

}  // namespace temper
