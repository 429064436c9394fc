// The only way in which files named by the user are opened for reading: only regular files are. Opening a pipe could
// wait forever for a writer, and its content could be read only once, by one rank.
#pragma once

#include <filesystem>

namespace temper {

/// Throws Error saying what the path is (a directory, a pipe, a socket, a device) where it is no regular file, and what
/// to do. A path that is missing, or cannot be looked at, is left to whoever opens it.
void refuse_other_than_file(const std::filesystem::path& path);

/// A descriptor of a regular file, open for reading, and closed on execution of another program; never waits. Throws
/// Error if the path is missing, is no regular file, or cannot be opened.
int open_regular_file(const std::filesystem::path& path);

}  // namespace temper
