#include "runtime/checkpoints/checkpoint_folder.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "base/error.h"
#include "comm/agreement.h"

namespace temper {
namespace {

constexpr std::string_view kPrefix = "checkpoint-";
constexpr std::string_view kSuffix = ".h5";

/// The step in a file name; nothing if it is no checkpoint's.
std::optional<std::int64_t> step_of(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix) || name.size() <= kPrefix.size() + kSuffix.size())
    return std::nullopt;
  const char* begin = name.data() + kPrefix.size();
  const char* end = name.data() + name.size() - kSuffix.size();
  std::int64_t step = 0;
  const auto [stopped, status] = std::from_chars(begin, end, step);
  return status == std::errc() && stopped == end ? std::optional(step) : std::nullopt;
}

}  // namespace

std::filesystem::path checkpoint_path(const std::filesystem::path& folder, std::int64_t step) {
  return folder / fmt::format("{}{:08}{}", kPrefix, step, kSuffix);
}

std::vector<std::filesystem::path> list_checkpoints(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> found;
  std::error_code status;
  std::filesystem::directory_iterator entry(folder, status);
  if (status == std::errc::no_such_file_or_directory) return found;
  for (; !status && entry != std::filesystem::directory_iterator(); entry.increment(status))
    if (step_of(entry->path())) found.push_back(entry->path());
  if (status)
    throw Error("{}: cannot be searched for checkpoints: {}; make it readable, or choose another output.dir",
                folder.string(), status.message());
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return *step_of(a) < *step_of(b); });
  return found;
}

std::optional<FoundCheckpoint> newest_good_checkpoint(const std::filesystem::path& folder, Communicator& communicator,
                                                      const std::function<void(const std::string&)>& warn) {
  // Rank 0 decides what there is: another rank may see the folder a moment later.
  std::string listed;
  agree_on_success(communicator, failure_of([&] {
                     if (communicator.rank() != 0) return;
                     for (const std::filesystem::path& path : list_checkpoints(folder))
                       listed += path.filename().string() + "\n";
                   }));
  const auto view = std::as_bytes(std::span(listed));
  std::vector<std::byte> bytes(view.begin(), view.end());
  communicator.broadcast_variable(bytes, 0);
  std::string_view names(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  while (!names.empty()) {
    names.remove_suffix(1);  // the newest stands last
    const std::size_t line = names.rfind('\n');
    const std::size_t begin = line == std::string_view::npos ? 0 : line + 1;
    const std::filesystem::path path = folder / names.substr(begin);
    names = names.substr(0, begin);
    try {
      return FoundCheckpoint{path, Checkpoint::open(path, communicator)};
    } catch (const DamagedContent& error) {
      // All ranks throw the same here, so all go on to the one before.
      warn(error.what());
    }
  }
  return std::nullopt;
}

void retain_checkpoints(const std::filesystem::path& folder, int keep, std::int64_t step,
                        std::optional<std::int64_t> best_step) {
  std::error_code ignored;  // what cannot be changed now is tried again at the next checkpoint
  std::vector<std::filesystem::path> all;
  if (!failure_of([&] { all = list_checkpoints(folder); }).empty()) return;
  std::vector<std::filesystem::path> found;
  for (const std::filesystem::path& path : all) {
    if (*step_of(path) <= step) {
      found.push_back(path);
    } else {
      std::filesystem::rename(path, path.string() + ".damaged", ignored);
    }
  }
  const std::size_t kept = std::min(found.size(), static_cast<std::size_t>(std::max(1, keep)));
  for (std::size_t i = 0; i + kept < found.size(); ++i)
    if (step_of(found[i]) != best_step) std::filesystem::remove(found[i], ignored);
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kPrefix) && name.ends_with(".partial")) std::filesystem::remove(entry.path(), ignored);
  }
}

}  // namespace temper
