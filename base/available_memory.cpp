#include "base/available_memory.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>

namespace temper {
namespace {

std::optional<std::int64_t> number_in(std::string_view text) {
  const std::size_t first = text.find_first_of("0123456789");
  std::int64_t number = 0;
  if (first == std::string_view::npos) return std::nullopt;  // "max": there is no limit
  if (std::from_chars(text.data() + first, text.data() + text.size(), number).ec != std::errc()) return std::nullopt;
  return number;
}

/// The number of the line that begins with `name` and a colon or a space.
std::optional<std::int64_t> number_of(const std::filesystem::path& file, std::string_view name) {
  std::ifstream lines(file);
  std::string line;
  while (std::getline(lines, line))
    if (line.starts_with(name) && line.size() > name.size() && (line[name.size()] == ':' || line[name.size()] == ' '))
      return number_in(std::string_view(line).substr(name.size()));
  return std::nullopt;
}

std::optional<std::int64_t> only_number_of(const std::filesystem::path& file) {
  std::ifstream lines(file);
  std::string line;
  return std::getline(lines, line) ? number_in(line) : std::nullopt;
}

/// What a version of control groups calls its files, and the pages of files among what it counts.
struct GroupFiles {
  const char* folder;
  const char* limit;
  const char* usage;
  const char* file_pages;
  const char* shared_pages;  ///< among those: of memory that is no file, which cannot be given back
};
constexpr GroupFiles kVersion2{"sys/fs/cgroup", "memory.max", "memory.current", "file", "shmem"};
constexpr GroupFiles kVersion1{"sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_cache",
                               "total_shmem"};

/// What is left of the tightest limit of a group and those above it.
std::int64_t left_in_groups(const std::filesystem::path& root, const GroupFiles& files, std::filesystem::path group,
                            std::int64_t available) {
  const std::filesystem::path top = root / files.folder;
  for (;; group = group.parent_path()) {
    const std::filesystem::path folder = top / group;
    const std::optional<std::int64_t> limit = only_number_of(folder / files.limit);
    const std::optional<std::int64_t> usage = only_number_of(folder / files.usage);
    if (limit && usage) {
      const std::filesystem::path counted = folder / "memory.stat";
      const std::int64_t kept = *usage - number_of(counted, files.file_pages).value_or(0) +
                                number_of(counted, files.shared_pages).value_or(0);
      available = std::min(available, std::max<std::int64_t>(*limit - std::max<std::int64_t>(kept, 0), 0));
    }
    if (group.empty()) return available;
  }
}

}  // namespace

std::int64_t available_bytes(const std::filesystem::path& root) {
  const std::optional<std::int64_t> kibibytes = number_of(root / "proc/meminfo", "MemAvailable");
  if (!kibibytes) return 0;
  std::int64_t available = *kibibytes * 1024;
  // "0::/a/b" (version 2), "9:memory:/a/b" (version 1): proc(5), cgroups(7).
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::filesystem::path group = std::filesystem::path(line.substr(second + 1)).relative_path();
    if (controllers == ",,") available = left_in_groups(root, kVersion2, group, available);
    if (controllers.find(",memory,") != std::string::npos)
      available = left_in_groups(root, kVersion1, group, available);
  }
  return available;
}

}  // namespace temper
