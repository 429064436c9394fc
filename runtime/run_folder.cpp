#include "runtime/run_folder.h"

#include <system_error>

#include "base/error.h"
#include "runtime/checkpoint_folder.h"

namespace temper {

void make_run_folder(const std::filesystem::path& folder, Communicator& communicator) {
  if (communicator.rank() == 0) {
    std::error_code status;
    std::filesystem::create_directories(folder / "checkpoints", status);
    if (status)
      throw Error("{}: the output folder cannot be made: {}; choose another output.dir", folder.string(),
                  status.message());
  }
  communicator.barrier();
}

void set_aside_older_run(const std::filesystem::path& folder, Communicator& communicator,
                         const std::function<void(const std::string&)>& say) {
  if (communicator.rank() == 0) {
    const std::filesystem::path checkpoints = folder / "checkpoints";
    if (!list_checkpoints(checkpoints).empty()) {
      say("the checkpoints of an earlier run are in " + set_aside(checkpoints).string());
      std::filesystem::create_directory(checkpoints);
    }
    if (std::filesystem::exists(folder / "model"))
      say("the model of an earlier run is in " + set_aside(folder / "model").string());
  }
  communicator.barrier();
}

}  // namespace temper
