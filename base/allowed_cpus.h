// Which processors a process may use, and for how much of the time.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <vector>

namespace temper {

/// Bit i % 64 of word i / 64: whether this thread may run on CPU i, by its affinity (binding, taskset, a cpuset). Empty
/// where the system does not tell.
std::vector<std::uint64_t> allowed_cpus();

/// A control group and how many CPUs' time its processes may use together.
struct CpuTimeLimit {
  std::array<std::uint64_t, 2> group;  ///< device and inode: the same for all processes of a host, in containers too
  double cpus = 0.0;
};

/// The limits of the control groups of this process and of those that they lie in, in version 2 (cpu.max) or 1
/// (cpu.cfs_quota_us). Empty where there are none.
std::vector<CpuTimeLimit> cpu_time_limits(const std::filesystem::path& groups_of_process = "/proc/self/cgroup",
                                          const std::filesystem::path& hierarchy = "/sys/fs/cgroup");

}  // namespace temper
