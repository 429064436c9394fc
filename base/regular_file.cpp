#include "base/regular_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace temper {
namespace {

[[noreturn]] void refuse_kind(const std::filesystem::path& path, mode_t mode) {
  if (S_ISDIR(mode)) throw Error("{}: is a directory, expected a file", path.string());
  if (S_ISFIFO(mode))
    throw Error("{}: is a pipe, expected a file; write what comes out of it into a file, and name that", path.string());
  throw Error("{}: is a {}, expected a file", path.string(), S_ISSOCK(mode) ? "socket" : "device");
}

}  // namespace

void refuse_other_than_file(const std::filesystem::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) refuse_kind(path, status.st_mode);
}

int open_regular_file(const std::filesystem::path& path) {
  // Looked at before it is opened, since that alone would free whoever waits to write into a pipe.
  refuse_other_than_file(path);
  // What has taken the file's place meanwhile is not waited for either.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) {
    if (errno == ENOENT) throw Error("{}: no such file; check the path", path.string());
    throw Error("{}: cannot be opened for reading: {}", path.string(), std::strerror(errno));
  }
  struct stat status {};
  const int reason = ::fstat(descriptor, &status) == 0 ? 0 : errno;
  if (reason == 0 && S_ISREG(status.st_mode)) return descriptor;
  ::close(descriptor);
  if (reason != 0) throw Error("{}: cannot be examined: {}", path.string(), std::strerror(reason));
  refuse_kind(path, status.st_mode);
}

}  // namespace temper
