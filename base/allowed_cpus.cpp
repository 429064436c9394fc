#include "base/allowed_cpus.h"

#include <sched.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <string>
#include <utility>

namespace temper {
namespace {

namespace fs = std::filesystem;

void add_limit(std::vector<CpuTimeLimit>& limits, const fs::path& group, double quota, double period) {
  struct stat status {};
  if (quota <= 0.0 || period <= 0.0 || ::stat(group.c_str(), &status) != 0) return;
  limits.push_back(
      {{static_cast<std::uint64_t>(status.st_dev), static_cast<std::uint64_t>(status.st_ino)}, quota / period});
}

double first_number(const fs::path& file) {
  double number = 0.0;
  std::ifstream(file) >> number;
  return number;
}

/// Of one group of version 2, "200000 100000" or "max 100000".
void look_at_cpu_max(const fs::path& group, std::vector<CpuTimeLimit>& limits) {
  std::ifstream file(group / "cpu.max");
  double quota = 0.0;
  double period = 0.0;
  if (file >> quota >> period) add_limit(limits, group, quota, period);
}

/// Calls `look` for a group and those that it lies in. In a container the path may be that of the host, and what is
/// mounted begins with the container's own group: what is not there is passed over.
template <typename Look>
void climb(const fs::path& hierarchy, const std::string& path, Look look) {
  fs::path group = hierarchy / fs::path(path).relative_path();
  while (group != hierarchy && group.has_relative_path()) {
    look(group);
    group = group.parent_path();
  }
  look(hierarchy);
}

}  // namespace

std::vector<std::uint64_t> allowed_cpus() {
  // Systems with more CPUs than the set has room for refuse it.
  constexpr std::size_t kMostCpus = 1 << 16;
  std::array<cpu_set_t, kMostCpus / CPU_SETSIZE> sets{};
  if (sched_getaffinity(0, sizeof(sets), sets.data()) != 0) return {};
  std::vector<std::uint64_t> words;
  for (std::size_t cpu = 0; cpu < kMostCpus; ++cpu) {
    if (!CPU_ISSET_S(cpu, sizeof(sets), sets.data())) continue;
    words.resize(std::max(words.size(), cpu / 64 + 1));
    words[cpu / 64] |= std::uint64_t{1} << cpu % 64;
  }
  return words;
}

std::vector<CpuTimeLimit> cpu_time_limits(const fs::path& groups_of_process, const fs::path& hierarchy) {
  std::vector<CpuTimeLimit> limits;
  std::ifstream groups(groups_of_process);
  for (std::string line; std::getline(groups, line);) {
    // "0::/path" of version 2, "4:cpu,cpuacct:/path" of version 1.
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string path = line.substr(second + 1);
    if (controllers == ",,") {
      climb(hierarchy, path, [&](const fs::path& group) { look_at_cpu_max(group, limits); });
    } else if (controllers.find(",cpu,") != std::string::npos) {
      climb(hierarchy / "cpu", path, [&](const fs::path& group) {
        add_limit(limits, group, first_number(group / "cpu.cfs_quota_us"), first_number(group / "cpu.cfs_period_us"));
      });
    }
  }
  return limits;
}

}  // namespace temper
