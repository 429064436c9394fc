#include "data/images/picture_cache.h"

#include <fcntl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <span>
#include <string>
#include <utility>

namespace temper {
namespace {

std::span<const std::byte> bytes_of(const Picture& picture) {
  return std::visit([](const auto& samples) { return std::as_bytes(std::span(samples)); }, picture.samples);
}

template <typename T>
std::span<std::byte> make_room(Picture& picture) {
  std::vector<T> samples(static_cast<std::size_t>(picture.values()));
  picture.samples = std::move(samples);
  return std::as_writable_bytes(std::span(std::get<std::vector<T>>(picture.samples)));
}

/// Room for the samples of a picture whose type is that of this place in the variant.
std::span<std::byte> make_room(Picture& picture, std::size_t type) {
  if (type == 0) return make_room<std::uint8_t>(picture);
  return type == 1 ? make_room<std::uint16_t>(picture) : make_room<float>(picture);
}

/// An own file that nobody else sees, and that is gone when the process is.
int open_unnamed(const std::filesystem::path& folder) {
  std::string name = (folder / "temper-pictures-XXXXXX").string();
  const int descriptor = ::mkostemp(name.data(), O_CLOEXEC);
  if (descriptor >= 0) ::unlink(name.c_str());
  return descriptor;
}

/// A quarter of what the disk has free; nothing of a disk that is memory.
std::int64_t room_for_file(const std::filesystem::path& folder) {
  constexpr long kMemory = 0x01021994;  // tmpfs
  struct statfs disk {};
  if (::statfs(folder.c_str(), &disk) != 0 || disk.f_type == kMemory) return 0;
  return static_cast<std::int64_t>(disk.f_bavail) * static_cast<std::int64_t>(disk.f_bsize) / 4;
}

bool write_all(int descriptor, std::span<const std::byte> bytes, std::int64_t offset) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(descriptor, bytes.data(), bytes.size(), offset);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    offset += written;
  }
  return true;
}

bool read_all(int descriptor, std::span<std::byte> bytes, std::int64_t offset) {
  while (!bytes.empty()) {
    const ssize_t got = ::pread(descriptor, bytes.data(), bytes.size(), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(got));
    offset += got;
  }
  return true;
}

}  // namespace

PictureCache::~PictureCache() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::shared_ptr<const Picture> PictureCache::find(const std::string& file) {
  InFile place;
  {
    const std::scoped_lock lock(mutex_);
    if (const auto held = in_memory_.find(file); held != in_memory_.end()) return held->second;
    const auto filed = in_file_.find(file);
    if (filed == in_file_.end()) return nullptr;
    place = filed->second;
  }
  auto picture = std::make_shared<Picture>(std::move(place.form));
  const std::span<std::byte> room = make_room(*picture, place.type);
  return read_all(descriptor_, room, place.offset) ? picture : nullptr;
}

void PictureCache::keep(const std::string& file, const std::shared_ptr<const Picture>& picture) {
  const auto size = static_cast<std::int64_t>(bytes_of(*picture).size());
  const std::scoped_lock lock(mutex_);
  if (in_memory_.contains(file) || in_file_.contains(file)) return;
  if (bytes_ + size <= settings_.memory_bytes) {
    bytes_ += size;
    in_memory_.emplace(file, picture);
    return;
  }
  if (!settings_.folder.empty() && !file_failed_) write(file, *picture);
}

void PictureCache::write(const std::string& file, const Picture& picture) {
  if (descriptor_ < 0) {
    settings_.file_bytes = std::min(settings_.file_bytes, room_for_file(settings_.folder));
    if (settings_.file_bytes > 0) descriptor_ = open_unnamed(settings_.folder);
  }
  const std::span<const std::byte> bytes = bytes_of(picture);
  if (std::cmp_greater(file_bytes_ + static_cast<std::int64_t>(bytes.size()), settings_.file_bytes)) return;
  if (descriptor_ < 0 || !write_all(descriptor_, bytes, file_bytes_)) {
    file_failed_ = true;
    return;
  }
  Picture form{picture.extent, picture.channels, {}, picture.black, picture.white};
  in_file_.emplace(file, InFile{file_bytes_, std::move(form), picture.samples.index()});
  file_bytes_ += static_cast<std::int64_t>(bytes.size());
}

}  // namespace temper
