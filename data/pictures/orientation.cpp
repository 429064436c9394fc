#include "data/pictures/orientation.h"

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>

namespace temper {
namespace {

constexpr std::uint32_t kOrientationTag = 0x0112;
constexpr std::uint32_t kShort = 3;

/// Numbers of a TIFF header in the order of bytes that it names.
class TiffNumbers {
 public:
  TiffNumbers(std::span<const std::byte> bytes, bool big_endian) : bytes_(bytes), big_endian_(big_endian) {}
  [[nodiscard]] bool has(std::size_t at, std::size_t count) const {
    return at <= bytes_.size() && count <= bytes_.size() - at;
  }
  /// A number of `size` bytes that are there.
  [[nodiscard]] std::uint32_t number(std::size_t at, std::size_t size) const {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size; ++i)
      value = value << 8 | std::to_integer<std::uint32_t>(bytes_[at + (big_endian_ ? i : size - 1 - i)]);
    return value;
  }

 private:
  std::span<const std::byte> bytes_;
  bool big_endian_;
};

template <typename Sample>
std::vector<Sample> turned(const std::vector<Sample>& from, const ImageExtent& extent, std::int64_t channels,
                           int orientation) {
  // Where the first pixel of the result is taken from, and the way from one to the next along and down.
  const bool exchanged = orientation >= 5;
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_below = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const std::int64_t across = from_right ? -1 : 1;
  const std::int64_t down = from_below ? -extent.width : extent.width;
  const std::int64_t first =
      (from_right ? extent.width - 1 : 0) + (from_below ? (extent.height - 1) * extent.width : 0);
  const std::int64_t height = exchanged ? extent.width : extent.height;
  const std::int64_t width = exchanged ? extent.height : extent.width;
  const std::int64_t along_row = exchanged ? down : across;
  const std::int64_t along_column = exchanged ? across : down;
  std::vector<Sample> to(from.size());
  auto target = to.begin();
  for (std::int64_t y = 0; y < height; ++y)
    for (std::int64_t x = 0; x < width; ++x)
      target = std::copy_n(from.begin() + (first + y * along_column + x * along_row) * channels, channels, target);
  return to;
}

}  // namespace

int exif_orientation(std::span<const std::byte> exif) {
  constexpr std::string_view kStart("Exif\0\0", 6);
  std::string_view text(reinterpret_cast<const char*>(exif.data()), exif.size());
  if (text.starts_with(kStart)) {
    text.remove_prefix(kStart.size());
    exif = exif.subspan(kStart.size());
  }
  const bool big_endian = text.starts_with("MM");
  if (exif.size() < 8 || (!big_endian && !text.starts_with("II"))) return 1;
  const TiffNumbers numbers(exif, big_endian);
  const std::size_t directory = numbers.number(4, 4);
  if (numbers.number(2, 2) != 42 || !numbers.has(directory, 2)) return 1;
  const std::size_t entries = numbers.number(directory, 2);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + i * 12;
    if (!numbers.has(entry, 12)) return 1;
    if (numbers.number(entry, 2) != kOrientationTag) continue;
    const std::uint32_t value = numbers.number(entry + 8, 2);
    const bool known = numbers.number(entry + 2, 2) == kShort && value >= 1 && value <= 8;
    return known ? static_cast<int>(value) : 1;
  }
  return 1;
}

void turn_by_orientation(Picture& picture, int orientation) {
  if (orientation <= 1 || orientation > 8) return;
  std::visit([&](auto& samples) { samples = turned(samples, picture.extent, picture.channels, orientation); },
             picture.samples);
  if (orientation >= 5) std::swap(picture.extent.height, picture.extent.width);
}

}  // namespace temper
