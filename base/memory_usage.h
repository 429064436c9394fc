// How much memory this process uses.
#pragma once

#include <cstdint>

namespace temper {

/// In bytes, from /proc/self/status. `shared` is what POSIX and MPI shared-memory windows hold of this process's pages;
/// the ranks of a node count the same pages each.
struct MemoryUsage {
  std::int64_t resident = 0;
  std::int64_t peak_resident = 0;  ///< the most that was resident at once since the program began
  std::int64_t anonymous = 0;      ///< private: heap and stacks
  std::int64_t mapped_files = 0;   ///< program text, and weights mapped from a file
  std::int64_t shared = 0;
};

/// Throws Error where the system has no /proc.
MemoryUsage memory_usage();

/// Resident bytes, a page that several processes have in common divided among them: the sum over the ranks of a node is
/// what they use together. 0 where the kernel does not tell (/proc/self/smaps_rollup, Linux 4.14).
std::int64_t proportional_bytes();

/// Peak resident bytes; asks the kernel by getrusage where there is no /proc.
std::int64_t peak_resident_bytes();

}  // namespace temper
