// The folder of a run: output.dir with its checkpoints, model and logs, and the lock under which a run writes there.
#pragma once

#include <array>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "comm/communicator.h"
#include "runtime/config/config.h"
#include "runtime/environment/folder_lock.h"

namespace temper {

/// What a run writes there and a run that starts anew sets aside, in the order in which that is done: once the
/// checkpoints are away, no later start goes on from them.
inline constexpr std::array<const char*, 7> kRunContents{
    "checkpoints", "model", "configuration.toml", "metrics.jsonl", "tensorboard", "profile.json", "figures"};

class RunFolder {
 public:
  /// Collective. Makes the folder where it is missing and takes its lock, which `job` may name a job of. Throws the
  /// same Error on all ranks if inputs lie where the run writes, if another run has the lock, or if not all hosts share
  /// the folder; nothing in it has changed then.
  RunFolder(const Configuration& configuration, const std::string& job, Communicator& communicator,
            const std::function<void(const std::string&)>& say);

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::filesystem::path checkpoints() const { return path_ / "checkpoints"; }
  [[nodiscard]] std::filesystem::path model() const { return path_ / "model"; }

  /// Collective. Moves all that an earlier run left out of the way, to names that end in one number (model.old-1), so
  /// that a run that starts anew does not end up with files of another. `say` is told where they are.
  void set_aside_older_run(const std::function<void(const std::string&)>& say);
  /// Collective. The same of the model alone.
  void set_aside_model(const std::function<void(const std::string&)>& say);
  /// Collective. Makes the folder of checkpoints where it is missing.
  void make_checkpoint_folder();

 private:
  /// Collective. Of the contents of this name, those that are there.
  void set_aside(std::span<const char* const> names, const std::function<void(const std::string&)>& say);

  std::filesystem::path path_;
  Communicator& communicator_;
  std::optional<FolderLock> lock_;  ///< on rank 0
};

}  // namespace temper
