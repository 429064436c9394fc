// Which processors a process may use, and for how much of the time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

namespace temper {

/// Bit i % 64 of word i / 64: whether this thread may run on CPU i, by its affinity (binding, taskset, a cpuset). Empty
/// where the system does not tell.
std::vector<std::uint64_t> allowed_cpus();

/// How many CPUs' time the control groups of this process allow it: the smallest limit on the way to the root, in
/// version 2 (cpu.max) or 1 (cpu.cfs_quota_us); nothing where there is none.
std::optional<double> cpu_time_limit(const std::filesystem::path& groups_of_process = "/proc/self/cgroup",
                                     const std::filesystem::path& hierarchy = "/sys/fs/cgroup");

}  // namespace temper
