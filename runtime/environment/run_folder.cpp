#include "runtime/environment/run_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "comm/agreement.h"
#include "runtime/environment/input_places.h"
#include "runtime/environment/shared_folder.h"

namespace temper {
namespace {

namespace fs = std::filesystem;

fs::path old_name(const fs::path& path, int number) { return path.string() + ".old-" + std::to_string(number); }

void make_folder(const fs::path& folder) {
  std::error_code status;
  fs::create_directories(folder, status);
  if (status)
    throw Error("{}: the output folder cannot be made: {}; choose another output.dir", folder.string(),
                status.message());
}

/// There, and more than an empty folder or what a crash left behind.
bool holds_something(const fs::path& path) {
  std::error_code status;
  const fs::file_status found = fs::symlink_status(path, status);
  if (found.type() == fs::file_type::not_found) return false;
  if (!fs::is_directory(path, status)) return true;
  fs::directory_iterator entry(path, status);
  for (; !status && entry != fs::directory_iterator(); entry.increment(status))
    if (entry->path().extension() != ".partial") return true;
  // What cannot be looked into may hold something.
  return static_cast<bool>(status);
}

}  // namespace

RunFolder::RunFolder(const Configuration& configuration, const std::string& job, Communicator& communicator,
                     const std::function<void(const std::string&)>& say)
    : path_(configuration.output.dir), communicator_(communicator) {
  // Rank 0 may look for long whether another run still lives, which must not pass for a rank that hangs.
  const double limit = configuration.run.timeout_seconds;
  communicator.set_timeout(limit + std::chrono::duration<double>(FolderLockTiming().longest()).count());
  const Failure failure = failure_of([&] {
    if (communicator.rank() != 0) return;
    require_inputs_apart(configuration);
    make_folder(path_);
    lock_.emplace(path_, job, say);
  });
  agree_on_success(communicator, failure);
  communicator.set_timeout(limit);
  require_shared_folder(path_, communicator);
}

void RunFolder::make_checkpoint_folder() {
  agree_on_success(communicator_, failure_of([&] {
                     if (communicator_.rank() == 0) make_folder(checkpoints());
                   }));
}

void RunFolder::set_aside_older_run(const std::function<void(const std::string&)>& say) {
  set_aside(kRunContents, say);
}

void RunFolder::set_aside_model(const std::function<void(const std::string&)>& say) {
  constexpr std::array<const char*, 1> kModel{"model"};
  set_aside(kModel, say);
}

void RunFolder::set_aside(std::span<const char* const> names, const std::function<void(const std::string&)>& say) {
  agree_on_success(communicator_, failure_of([&] {
                     if (communicator_.rank() != 0) return;
                     std::vector<std::string> left;
                     for (const char* name : names)
                       if (holds_something(path_ / name)) left.emplace_back(name);
                     if (left.empty()) return;
                     const auto is_free = [&](int number) {
                       return std::all_of(kRunContents.begin(), kRunContents.end(), [&](const char* name) {
                         std::error_code absent;
                         return fs::symlink_status(old_name(path_ / name, number), absent).type() ==
                                fs::file_type::not_found;
                       });
                     };
                     int number = 1;
                     while (!is_free(number)) ++number;
                     for (const std::string& name : left) {
                       std::error_code status;
                       fs::rename(path_ / name, old_name(path_ / name, number), status);
                       if (status)
                         throw Error("{}: cannot be set aside as {}: {}", (path_ / name).string(),
                                     old_name(path_ / name, number).string(), status.message());
                     }
                     say(fmt::format("set aside what an earlier run left in {}: {} (now *.old-{})", path_.string(),
                                     fmt::join(left, ", "), number));
                   }));
}

}  // namespace temper
