// The folder of a run: output.dir with its checkpoints and model.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "comm/communicator.h"

namespace temper {

/// Collective. Makes the folder where it is missing. Throws Error.
void make_run_folder(const std::filesystem::path& folder, Communicator& communicator);

/// Collective. Moves checkpoints and model of an earlier run out of the way, so that a run that starts anew does not
/// end up with those of another. `say` is told where they are, on rank 0.
void set_aside_older_run(const std::filesystem::path& folder, Communicator& communicator,
                         const std::function<void(const std::string&)>& say);

}  // namespace temper
