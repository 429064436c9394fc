#include "model/huggingface/zip_archive.h"

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "model/huggingface/json_object.h"

namespace temper {
namespace {

static_assert(std::endian::native == std::endian::little, "the numbers of a zip archive are little-endian");

using Bytes = std::span<const std::byte>;

constexpr std::uint32_t kLocalHeader = 0x04034b50;
constexpr std::uint32_t kCentralHeader = 0x02014b50;
constexpr std::uint32_t kEnd = 0x06054b50;
constexpr std::uint32_t kEnd64 = 0x06064b50;
constexpr std::uint32_t kEnd64Locator = 0x07064b50;
constexpr std::size_t kLocalHeaderBytes = 30;
constexpr std::size_t kCentralHeaderBytes = 46;
constexpr std::size_t kEndBytes = 22;
constexpr std::size_t kEnd64Bytes = 56;
constexpr std::size_t kEnd64LocatorBytes = 20;
constexpr std::size_t kLongestComment = 0xffff;
constexpr std::uint16_t kZip64Field = 1;
constexpr std::uint16_t kEncrypted = 1;
constexpr std::uint32_t kIn64Bits = 0xffffffff;  // the number stands in the zip64 field
constexpr const char* kArchiveRemedy = "the file is damaged or cut short: download or save it again";

/// Numbers of an archive by their offset, each looked up with its bounds.
class Reader {
 public:
  Reader(Bytes bytes, const std::string& file) : bytes_(bytes), file_(file) {}

  template <typename T>
  [[nodiscard]] T number(std::uint64_t offset) const {
    T value;
    std::memcpy(&value, part(offset, sizeof(T)).data(), sizeof(T));
    return value;
  }
  [[nodiscard]] Bytes part(std::uint64_t offset, std::uint64_t size) const {
    if (offset > bytes_.size() || size > bytes_.size() - offset)
      throw Error("{}: the archive speaks of bytes {} to {}, but has {}; {}", file_, offset, offset + size,
                  bytes_.size(), kArchiveRemedy);
    return bytes_.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(size));
  }
  [[nodiscard]] std::string_view text(std::uint64_t offset, std::uint64_t size) const {
    const Bytes found = part(offset, size);
    return {reinterpret_cast<const char*>(found.data()), found.size()};
  }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] const std::string& file() const { return file_; }

 private:
  Bytes bytes_;
  const std::string& file_;
};

struct Directory {
  std::uint64_t offset;
  std::uint64_t bytes;
  std::uint64_t entries;
};

/// The record at the very end, before a comment.
std::optional<std::uint64_t> find_end(const Reader& archive) {
  if (archive.size() < kEndBytes) return std::nullopt;
  const std::uint64_t last = archive.size() - kEndBytes;
  const std::uint64_t first = last > kLongestComment ? last - kLongestComment : 0;
  for (std::uint64_t at = last + 1; at-- > first;)
    if (archive.number<std::uint32_t>(at) == kEnd && archive.number<std::uint16_t>(at + 20) == last - at) return at;
  return std::nullopt;
}

Directory find_directory(const Reader& archive) {
  const std::optional<std::uint64_t> end = find_end(archive);
  if (!end) throw Error("{}: has no list of its entries at its end; {}", archive.file(), kArchiveRemedy);
  Directory directory{archive.number<std::uint32_t>(*end + 16), archive.number<std::uint32_t>(*end + 12),
                      archive.number<std::uint16_t>(*end + 10)};
  const bool has_locator =
      *end >= kEnd64LocatorBytes && archive.number<std::uint32_t>(*end - kEnd64LocatorBytes) == kEnd64Locator;
  if (has_locator) {
    const auto at = archive.number<std::uint64_t>(*end - kEnd64LocatorBytes + 8);
    if (archive.part(at, kEnd64Bytes).empty() || archive.number<std::uint32_t>(at) != kEnd64)
      throw Error("{}: the list of its entries is not where the archive says; {}", archive.file(), kArchiveRemedy);
    directory = {archive.number<std::uint64_t>(at + 48), archive.number<std::uint64_t>(at + 40),
                 archive.number<std::uint64_t>(at + 32)};
  }
  if (directory.entries > archive.part(directory.offset, directory.bytes).size() / kCentralHeaderBytes)
    throw Error("{}: the archive is said to have {} entries, but its list has {} bytes; {}", archive.file(),
                directory.entries, directory.bytes, kArchiveRemedy);
  return directory;
}

/// Sizes and place of an entry.
struct Place {
  std::uint64_t size;
  std::uint64_t compressed_size;
  std::uint64_t header;
};

/// Takes the numbers that do not fit into 32 bits from the zip64 field, in which they stand in this order.
void widen(const Reader& archive, std::uint64_t extra, std::uint64_t extra_bytes, Place& place) {
  const std::uint64_t end = extra + extra_bytes;
  while (end - extra >= 4) {
    const auto id = archive.number<std::uint16_t>(extra);
    const std::uint64_t size = archive.number<std::uint16_t>(extra + 2);
    extra += 4;
    if (size > end - extra) return;
    if (id == kZip64Field) {
      std::uint64_t at = extra;
      for (std::uint64_t* number : {&place.size, &place.compressed_size, &place.header}) {
        if (*number != kIn64Bits || at + 8 > extra + size) continue;
        *number = archive.number<std::uint64_t>(at);
        at += 8;
      }
    }
    extra += size;
  }
}

Bytes content(const Reader& archive, const Place& place, std::string_view name) {
  if (archive.number<std::uint32_t>(place.header) != kLocalHeader)
    throw Error("{}: the entry {} is not where the archive says; {}", archive.file(), in_quotes(name), kArchiveRemedy);
  const auto name_bytes = archive.number<std::uint16_t>(place.header + 26);
  const auto extra_bytes = archive.number<std::uint16_t>(place.header + 28);
  if (archive.text(place.header + kLocalHeaderBytes, name_bytes) != name)
    throw Error("{}: the entry {} has another name in the archive's list; {}", archive.file(), in_quotes(name),
                kArchiveRemedy);
  return archive.part(place.header + kLocalHeaderBytes + name_bytes + extra_bytes, place.size);
}

}  // namespace

bool is_zip_archive(Bytes bytes) {
  std::uint32_t signature = 0;
  if (bytes.size() >= sizeof(signature)) std::memcpy(&signature, bytes.data(), sizeof(signature));
  return signature == kLocalHeader;
}

std::map<std::string, Bytes> zip_entries(Bytes bytes, const std::string& file) {
  const Reader archive(bytes, file);
  const Directory directory = find_directory(archive);
  std::map<std::string, Bytes> entries;
  std::uint64_t at = directory.offset;
  for (std::uint64_t i = 0; i < directory.entries; ++i) {
    if (archive.number<std::uint32_t>(at) != kCentralHeader)
      throw Error("{}: entry {} of the archive's list is damaged; {}", file, i, kArchiveRemedy);
    const auto flags = archive.number<std::uint16_t>(at + 8);
    const auto method = archive.number<std::uint16_t>(at + 10);
    const auto name_bytes = archive.number<std::uint16_t>(at + 28);
    const auto extra_bytes = archive.number<std::uint16_t>(at + 30);
    const auto comment_bytes = archive.number<std::uint16_t>(at + 32);
    const std::string_view name = archive.text(at + kCentralHeaderBytes, name_bytes);
    Place place{archive.number<std::uint32_t>(at + 24), archive.number<std::uint32_t>(at + 20),
                archive.number<std::uint32_t>(at + 42)};
    widen(archive, at + kCentralHeaderBytes + name_bytes, extra_bytes, place);
    if (method != 0 || (flags & kEncrypted) != 0 || place.size != place.compressed_size)
      throw Error("{}: the entry {} is compressed or encrypted, expected one that is stored as PyTorch does it", file,
                  in_quotes(name));
    if (!entries.emplace(std::string(name), content(archive, place, name)).second)
      throw Error("{}: the entry {} occurs twice; {}", file, in_quotes(name), kArchiveRemedy);
    at += kCentralHeaderBytes + name_bytes + extra_bytes + comment_bytes;
  }
  return entries;
}

}  // namespace temper
