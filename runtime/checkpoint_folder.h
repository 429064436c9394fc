// The folder of a run's checkpoints: names, which one to go on from, which ones to keep.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "runtime/checkpoint.h"

namespace temper {

/// folder/checkpoint-00001234.h5
std::filesystem::path checkpoint_path(const std::filesystem::path& folder, std::int64_t step);

/// By step, oldest first. Files that are still being written, or were left behind by a crash, are not listed.
std::vector<std::filesystem::path> list_checkpoints(const std::filesystem::path& folder);

struct FoundCheckpoint {
  std::filesystem::path path;
  Checkpoint checkpoint;
};

/// Collective. The newest checkpoint that is whole; nothing where there is none. `warn` is told of each damaged one.
std::optional<FoundCheckpoint> newest_good_checkpoint(const std::filesystem::path& folder, Communicator& communicator,
                                                      const std::function<void(const std::string&)>& warn);

/// One process: of the checkpoints up to `step`, the current one, deletes all but the newest `keep` and the best, and
/// what crashes left behind. Newer ones are damaged, or the run would have gone on from them: they get the ending
/// ".damaged".
void retain_checkpoints(const std::filesystem::path& folder, int keep, std::int64_t step,
                        std::optional<std::int64_t> best_step);

/// One process: renames a folder of an earlier run to the first free of "<name>.old-1", "<name>.old-2" and so on. Gives
/// the new name. Throws Error.
std::filesystem::path set_aside(const std::filesystem::path& folder);

}  // namespace temper
