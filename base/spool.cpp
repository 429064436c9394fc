#include "base/spool.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/positioned_file.h"

namespace temper {
namespace {

/// A file of which there is no name any more; -1 where none can be made.
int open_nameless(const std::filesystem::path& folder) {
  const int without = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (without >= 0) return without;
  // Not every file system knows O_TMPFILE.
  std::string name = (folder / "temper-spool-XXXXXX").string();
  const int descriptor = ::mkostemp(name.data(), O_CLOEXEC);
  if (descriptor >= 0) ::unlink(name.c_str());
  return descriptor;
}

}  // namespace

std::filesystem::path temporary_folder() {
  std::error_code status;
  const std::filesystem::path folder = std::filesystem::temp_directory_path(status);
  return status ? std::filesystem::path("/tmp") : folder;
}

Spool::Spool(std::size_t most_in_memory) : most_in_memory_(most_in_memory) {}

Spool::~Spool() {
  if (mapping_ != nullptr) ::munmap(mapping_, static_cast<std::size_t>(in_file_));
  if (descriptor_ >= 0) ::close(descriptor_);
}

Spool::Spool(Spool&& other) noexcept
    : most_in_memory_(other.most_in_memory_),
      held_(std::move(other.held_)),
      in_file_(std::exchange(other.in_file_, 0)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      file_refused_(other.file_refused_),
      mapping_(std::exchange(other.mapping_, nullptr)) {}

Spool& Spool::operator=(Spool&& other) noexcept {
  std::swap(most_in_memory_, other.most_in_memory_);
  std::swap(held_, other.held_);
  std::swap(in_file_, other.in_file_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(file_refused_, other.file_refused_);
  std::swap(mapping_, other.mapping_);
  return *this;
}

void Spool::append(std::span<const std::byte> bytes) {
  held_.insert(held_.end(), bytes.begin(), bytes.end());
  if (held_.size() > most_in_memory_ && !file_refused_) move_to_file();
}

void Spool::move_to_file() {
  if (descriptor_ < 0) descriptor_ = open_nameless(temporary_folder());
  file_refused_ = descriptor_ < 0;
  if (file_refused_) return;
  try {
    write_at(descriptor_, in_file_, held_, "a temporary file");
  } catch (const Error&) {
    // What the disk has no room for is kept, and so is all that follows.
    file_refused_ = true;
    return;
  }
  in_file_ += held_.size();
  held_.clear();
}

void Spool::read(std::uint64_t offset, std::span<std::byte> bytes) const {
  if (offset < in_file_) {
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), in_file_ - offset));
    read_at(descriptor_, offset, bytes.first(count), "a temporary file");
    bytes = bytes.subspan(count);
    offset += count;
  }
  std::copy_n(held_.begin() + static_cast<std::ptrdiff_t>(offset - in_file_), bytes.size(), bytes.begin());
}

std::span<const std::byte> Spool::view() {
  if (in_file_ > 0 && !file_refused_) move_to_file();
  const auto mapped = static_cast<std::size_t>(in_file_);
  if (mapping_ != nullptr) return {mapping_, mapped};
  if (in_file_ > 0 && held_.empty()) {
    void* mapping = ::mmap(nullptr, mapped, PROT_READ, MAP_SHARED, descriptor_, 0);
    if (mapping != MAP_FAILED) {
      mapping_ = static_cast<std::byte*>(mapping);
      return {mapping_, mapped};
    }
  }
  if (in_file_ > 0) {
    std::vector<std::byte> all(static_cast<std::size_t>(size()));
    read(0, all);
    held_ = std::move(all);
    in_file_ = 0;
  }
  return held_;
}

void Spool::forget(std::size_t begin, std::size_t end) const {
  if (mapping_ != nullptr) ::madvise(mapping_ + begin, end - begin, MADV_DONTNEED);
}

}  // namespace temper
