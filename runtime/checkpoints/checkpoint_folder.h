// The folder of a run's checkpoints: names, which one to go on from, which ones to keep.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "runtime/checkpoints/checkpoint.h"

namespace temper {

/// folder/checkpoint-00001234.h5
std::filesystem::path checkpoint_path(const std::filesystem::path& folder, std::int64_t step);

/// By step, oldest first; none where there is no folder. Files that are still being written, or were left behind by a
/// crash, are not listed. Throws Error if the folder cannot be read.
std::vector<std::filesystem::path> list_checkpoints(const std::filesystem::path& folder);

struct FoundCheckpoint {
  std::filesystem::path path;
  Checkpoint checkpoint;
};

/// Collective. The newest checkpoint that is whole; nothing where there is none. `warn` is told of each damaged one.
/// Throws the same Error on all ranks if one cannot be read for another reason than damage: it may be whole, and going
/// on without it would lose what it holds.
std::optional<FoundCheckpoint> newest_good_checkpoint(const std::filesystem::path& folder, Communicator& communicator,
                                                      const std::function<void(const std::string&)>& warn);

/// One process: of the checkpoints up to `step`, the current one, deletes all but the newest `keep` and the best, and
/// what crashes left behind. Newer ones are damaged, or the run would have gone on from them: they get the ending
/// ".damaged".
void retain_checkpoints(const std::filesystem::path& folder, int keep, std::int64_t step,
                        std::optional<std::int64_t> best_step);

}  // namespace temper
