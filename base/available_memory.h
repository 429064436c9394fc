// How much memory this process may still take.
#pragma once

#include <cstdint>
#include <filesystem>

namespace temper {

/// In bytes: what the system could give without swapping (MemAvailable of /proc/meminfo), or less where a control group
/// of this process, of version 2 or 1, or one above it, allows less. What a group's limit counts of files' pages, but
/// for shared memory, it can give back. 0 where the system does not tell. `root` is where its proc and sys are: for
/// tests.
std::int64_t available_bytes(const std::filesystem::path& root = "/");

}  // namespace temper
