#include "data/pictures/orientation.h"

#include <gtest/gtest.h>

#include <string>

namespace temper {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

/// EXIF with one entry: tag 0x0112 of this type and value, at this place in the file.
std::string exif(char type, char value, const std::string& start = "II*", char directory = 8) {
  std::string text = start + std::string(1, '\0') + std::string(1, directory) + std::string(3, '\0');
  text += std::string("\x01\0\x12\x01", 4) + type + std::string("\0\x01\0\0\0", 5) + value + std::string(7, '\0');
  return text;
}

TEST(ExifOrientation, IsReadWithAndWithoutItsStart) {
  EXPECT_EQ(exif_orientation(bytes_of(exif(3, 6))), 6);
  EXPECT_EQ(exif_orientation(bytes_of(std::string("Exif\0\0", 6) + exif(3, 6))), 6);
}

TEST(ExifOrientation, IsOneWhereItIsDamaged) {
  EXPECT_EQ(exif_orientation({}), 1);
  EXPECT_EQ(exif_orientation(bytes_of("Exif")), 1);
  EXPECT_EQ(exif_orientation(bytes_of(exif(4, 6))), 1) << "another type";
  EXPECT_EQ(exif_orientation(bytes_of(exif(3, 0))), 1);
  EXPECT_EQ(exif_orientation(bytes_of(exif(3, 9))), 1);
  EXPECT_EQ(exif_orientation(bytes_of(exif(3, 6, "II+"))), 1);
  EXPECT_EQ(exif_orientation(bytes_of(exif(3, 6, "II*", 120))), 1) << "beyond the end";
  const std::string whole = exif(3, 6);
  for (std::size_t size = 0; size < 20; ++size) EXPECT_EQ(exif_orientation(bytes_of(whole.substr(0, size))), 1) << size;
}

// The letter F, which no turn and no mirror leaves as it is: what each orientation makes of what a camera stored.
TEST(Orientation, TurnsAsItIsDefined) {
  const Picture stored{{3, 2}, 1, std::vector<std::uint8_t>{1, 2, 3, 4, 5, 6}, 0.0F, 255.0F};
  const std::vector<std::vector<std::uint8_t>> expected{{1, 2, 3, 4, 5, 6}, {2, 1, 4, 3, 6, 5}, {6, 5, 4, 3, 2, 1},
                                                        {5, 6, 3, 4, 1, 2}, {1, 3, 5, 2, 4, 6}, {5, 3, 1, 6, 4, 2},
                                                        {6, 4, 2, 5, 3, 1}, {2, 4, 6, 1, 3, 5}};
  for (int orientation = 1; orientation <= 8; ++orientation) {
    Picture picture = stored;
    turn_by_orientation(picture, orientation);
    EXPECT_EQ(std::get<std::vector<std::uint8_t>>(picture.samples), expected[static_cast<std::size_t>(orientation) - 1])
        << orientation;
    EXPECT_EQ(picture.extent, (orientation < 5 ? ImageExtent{3, 2} : ImageExtent{2, 3}));
  }
}

}  // namespace
}  // namespace temper
