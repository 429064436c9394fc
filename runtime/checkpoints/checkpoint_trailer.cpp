#include "runtime/checkpoints/checkpoint_trailer.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include "base/damaged_content.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/positioned_file.h"

namespace temper {
namespace {

constexpr std::uint64_t kMagic = 0x4B43'5245'504D'4554;  // "TEMPERCK"
constexpr std::uint64_t kTrailerVersion = 2;
constexpr std::uint64_t kOldestVersion = 1;  ///< that is still read
using Footer = std::array<std::uint64_t, 4>;

std::uint64_t seal_of(std::span<const CheckedRegion> regions, std::uint64_t version) {
  const Footer words{kMagic, version, regions.size(), xxh3(std::as_bytes(regions))};
  return xxh3(std::as_bytes(std::span(words)));
}

[[noreturn]] void refuse(const std::filesystem::path& file, const char* what) {
  throw DamagedContent(
      fmt::format("{}: {}; the checkpoint is damaged, or no checkpoint: use an older one", file.string(), what));
}

}  // namespace

std::vector<std::byte> make_trailer(std::span<const CheckedRegion> regions) {
  const Footer footer{kMagic, kTrailerVersion, regions.size(), seal_of(regions, kTrailerVersion)};
  const auto body = std::as_bytes(regions);
  const auto end = std::as_bytes(std::span(footer));
  std::vector<std::byte> bytes(body.begin(), body.end());
  bytes.insert(bytes.end(), end.begin(), end.end());
  return bytes;
}

std::vector<CheckedRegion> read_trailer(int descriptor, const std::filesystem::path& file) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0)
    throw Error("{}: its size cannot be read: {}", file.string(), std::strerror(errno));
  if (S_ISDIR(status.st_mode)) throw Error("{}: is a directory, expected a checkpoint file", file.string());
  const auto size = static_cast<std::uint64_t>(status.st_size);
  Footer footer{};
  if (size < sizeof(footer)) refuse(file, "it is too short");
  read_at(descriptor, size - sizeof(footer), std::as_writable_bytes(std::span(footer)), file);
  if (footer[0] != kMagic) refuse(file, "it does not end as a checkpoint does");
  const std::uint64_t room = (size - sizeof(footer)) / sizeof(CheckedRegion);
  if (footer[2] > room) refuse(file, "it is cut off");
  std::vector<CheckedRegion> regions(footer[2]);
  const std::uint64_t begin = size - sizeof(footer) - footer[2] * sizeof(CheckedRegion);
  read_at(descriptor, begin, std::as_writable_bytes(std::span(regions)), file);
  if (footer[3] != seal_of(regions, footer[1])) refuse(file, "its table of checksums does not match its own checksum");
  if (footer[1] < kOldestVersion || footer[1] > kTrailerVersion)
    throw Error("{}: has format {}, expected {} to {}; it was written by another version of the program: use that one",
                file.string(), footer[1], kOldestVersion, kTrailerVersion);
  std::uint64_t end = 0;
  for (const CheckedRegion& region : regions) {
    if (region.offset != end) refuse(file, "its table of checksums leaves a gap");
    end += region.bytes;
  }
  if (end != begin) refuse(file, "it is cut off");
  return regions;
}

void check_regions(int descriptor, const std::filesystem::path& file, std::span<const CheckedRegion> regions,
                   std::size_t first, std::size_t stride) {
  std::vector<std::byte> content;
  for (std::size_t i = first; i < regions.size(); i += stride) {
    const CheckedRegion& region = regions[i];
    content.resize(region.bytes);
    read_at(descriptor, region.offset, content, file);
    if (xxh3(content) != region.xxh3)
      throw DamagedContent(
          fmt::format("{}: the checksum of bytes {} to {} does not match; the checkpoint is damaged: use an older one",
                      file.string(), region.offset, region.offset + region.bytes));
  }
}

}  // namespace temper
