#include "base/positioned_file.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/regular_file.h"

namespace temper {

PositionedFile::PositionedFile(const std::filesystem::path& file, Mode mode) : file_(file) {
  descriptor_ = mode == Mode::read ? open_regular_file(file) : ::open(file.c_str(), O_RDWR | O_CLOEXEC);
  if (descriptor_ < 0) throw Error("{}: cannot be opened for writing: {}", file.string(), std::strerror(errno));
}

PositionedFile::~PositionedFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

PositionedFile::PositionedFile(PositionedFile&& other) noexcept
    : file_(std::move(other.file_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

void PositionedFile::begin_writing_back(std::uint64_t offset, std::uint64_t bytes) const {
  // Where a file system knows no such thing, the sync does all of it.
  (void)::sync_file_range(descriptor_, static_cast<off_t>(offset), static_cast<off_t>(bytes), SYNC_FILE_RANGE_WRITE);
}

void PositionedFile::close_durably() {
  if (::fsync(descriptor_) != 0) throw Error("{}: cannot be synced: {}", file_.string(), std::strerror(errno));
  if (::close(std::exchange(descriptor_, -1)) != 0)
    throw Error("{}: cannot be closed: {}", file_.string(), std::strerror(errno));
}

void read_at(int descriptor, std::uint64_t offset, std::span<std::byte> bytes, const std::filesystem::path& file) {
  while (!bytes.empty()) {
    const ssize_t count = ::pread(descriptor, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw Error("{}: cannot be read: {}", file.string(), std::strerror(errno));
    if (count == 0) throw Error("{}: ends at byte {}, where {} more are expected", file.string(), offset, bytes.size());
    offset += static_cast<std::uint64_t>(count);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

void write_at(int descriptor, std::uint64_t offset, std::span<const std::byte> bytes,
              const std::filesystem::path& file) {
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(descriptor, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw Error("{}: cannot be written: {}", file.string(), std::strerror(errno));
    offset += static_cast<std::uint64_t>(count);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

std::string take_room(int descriptor, std::uint64_t bytes) {
  int refused = ::fallocate(descriptor, 0, 0, static_cast<off_t>(bytes)) == 0 ? 0 : errno;
  if (refused == EOPNOTSUPP || refused == EINVAL || refused == ENOSYS) {
    // Then it can at least be asked how much is free.
    struct statvfs room {};
    const bool known = ::fstatvfs(descriptor, &room) == 0;
    refused = known && static_cast<std::uint64_t>(room.f_bavail) * room.f_frsize < bytes ? ENOSPC : 0;
  }
  return refused == 0 ? "" : std::strerror(refused);
}

}  // namespace temper
