#include "launch/standard_streams.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/error.h"

namespace temper {

void fill_closed_streams() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(descriptor, F_GETFD) >= 0) continue;
    // The lowest free number is this one. Output is opened for reading, so that a write to it still fails.
    ::open("/dev/null", descriptor == STDERR_FILENO ? O_WRONLY : O_RDONLY);
  }
}

void require_output_written() {
  // Of an earlier write that failed, the reason is no longer known.
  const int reason = std::fflush(stdout) == 0 ? 0 : errno;
  if (reason == 0 && std::ferror(stdout) == 0) return;
  if (reason == EBADF || (::fcntl(STDOUT_FILENO, F_GETFL) & O_ACCMODE) == O_RDONLY) return;
  throw Error("standard output: the result cannot be written ({}); free space there, or send it elsewhere",
              reason == 0 ? "a write of it failed" : std::strerror(reason));
}

}  // namespace temper
