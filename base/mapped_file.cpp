#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/page_size.h"
#include "base/regular_file.h"

namespace temper {
namespace {

/// Closes a file descriptor at the end of its scope.
struct Descriptor {
  int value;
  explicit Descriptor(int fd) : value(fd) {}
  ~Descriptor() {
    if (value >= 0) ::close(value);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
};

/// What a symbolic link leads to at last, which need not be there.
std::filesystem::path end_of_links(std::filesystem::path path) {
  constexpr int kMostLinks = 40;  // that Linux follows
  std::error_code status;
  for (int link = 0; link < kMostLinks; ++link) {
    if (!std::filesystem::is_symlink(path, status)) return path;
    const std::filesystem::path next = std::filesystem::read_symlink(path, status);
    if (status) return path;
    path = path.parent_path() / next;
  }
  throw Error("{}: cannot be written: {}", path.string(), std::strerror(ELOOP));
}

}  // namespace

void sync_folder(const std::filesystem::path& folder) {
  const Descriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.value < 0 || ::fsync(fd.value) != 0)
    throw Error("{}: the folder cannot be synced: {}", folder.string(), std::strerror(errno));
}

MappedFile::MappedFile(const std::filesystem::path& path) : path_(path) {
  const Descriptor fd(open_regular_file(path));
  struct stat status {};
  if (::fstat(fd.value, &status) != 0) throw Error("{}: cannot be examined: {}", path.string(), std::strerror(errno));
  size_ = static_cast<std::size_t>(status.st_size);
  if (size_ == 0) throw Error("{}: the file is empty", path.string());
  void* mapping = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, fd.value, 0);
  if (mapping == MAP_FAILED) throw Error("{}: cannot be mapped: {}", path.string(), std::strerror(errno));
  data_ = static_cast<const std::byte*>(mapping);
  // What git leaves in place of a large file that was not fetched (git-lfs specification, version 1).
  constexpr std::string_view kPointer = "version https://git-lfs.github.com/spec/v1\n";
  if (text().starts_with(kPointer)) {
    ::munmap(mapping, size_);
    throw Error("{}: is a git-lfs pointer, not the file itself; fetch it with: git lfs pull", path.string());
  }
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

void MappedFile::forget_pages(std::span<const std::byte> part) const noexcept {
  if (!part.empty()) ::madvise(const_cast<std::byte*>(part.data()), part.size(), MADV_DONTNEED);
}

void forget_file_pages(std::span<const std::byte> part) noexcept {
  const auto begin = reinterpret_cast<std::uintptr_t>(part.data());
  const std::uintptr_t first = whole_pages(begin);
  const std::uintptr_t last = (begin + part.size()) / page_size() * page_size();
  // NOLINTNEXTLINE(performance-no-int-to-ptr): whole pages are found by their numbers.
  if (first < last) ::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

std::string read_text_file(const std::filesystem::path& path) {
  const MappedFile file(path);
  return std::string(file.text());
}

void write_file_atomically(const std::filesystem::path& path, std::string_view content) {
  struct stat status {};
  const bool exists = ::stat(path.c_str(), &status) == 0;
  const bool takes_text = exists && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
  const std::filesystem::path target = takes_text ? path : end_of_links(path);
  std::filesystem::path partial = target;
  if (!takes_text) partial += ".partial";
  const auto fail = [&](const char* action) {
    const int reason = errno;
    if (!takes_text) ::unlink(partial.c_str());
    throw Error("{}: {}: {}", path.string(), action, std::strerror(reason));
  };
  {
    const int creation = takes_text ? 0 : O_CREAT | O_TRUNC;
    Descriptor fd(::open(partial.c_str(), O_WRONLY | O_CLOEXEC | creation, 0666));
    if (fd.value < 0) fail(takes_text ? "cannot be opened for writing" : "cannot be created");
    while (!content.empty()) {
      const ssize_t written = ::write(fd.value, content.data(), content.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail("cannot be written");
      content.remove_prefix(static_cast<std::size_t>(written));
    }
    // A FIFO cannot be synced.
    if (!takes_text && ::fsync(fd.value) != 0) fail("cannot be synced");
    // Some network file systems tell of a full disk only here.
    if (::close(std::exchange(fd.value, -1)) != 0) fail("cannot be closed");
  }
  if (takes_text) return;
  if (::rename(partial.c_str(), target.c_str()) != 0) fail("cannot be renamed into place");
  sync_folder(target.has_parent_path() ? target.parent_path() : std::filesystem::path("."));
}

}  // namespace temper
