#include "data/pictures/png_writer.h"

#include <gtest/gtest.h>

#include <numeric>

#include "base/error.h"
#include "base/mapped_file.h"
#include "data/pictures/decode.h"
#include "tests/data/temporary_folder.h"

namespace temper {
namespace {

using testing_support::TemporaryFolder;

Picture picture_of(std::int64_t channels) {
  std::vector<std::uint8_t> samples(static_cast<std::size_t>(7 * 5 * channels));
  std::iota(samples.begin(), samples.end(), std::uint8_t{90});
  return {{7, 5}, channels, std::move(samples), 0.0F, 255.0F};
}

TEST(PngWriter, WritesWhatIsReadAgain) {
  for (const std::int64_t channels : {1, 3}) {
    const Picture picture = picture_of(channels);
    const std::vector<std::byte> bytes = encode_png(picture);
    EXPECT_EQ(bytes, encode_png(picture));
    const DecodedPicture read = decode_picture(bytes, "sheet.png");
    EXPECT_EQ(read.picture.extent, picture.extent);
    EXPECT_EQ(read.picture.channels, channels);
    EXPECT_EQ(read.picture.samples, picture.samples);
  }
}

TEST(PngWriter, WritesAFile) {
  const TemporaryFolder folder;
  write_png(folder.path() / "sheet.png", picture_of(3));
  const MappedFile file(folder.path() / "sheet.png");
  EXPECT_EQ(decode_picture(file.bytes(), "sheet.png").picture.samples, picture_of(3).samples);
  EXPECT_THROW(write_png(folder.path() / "missing" / "sheet.png", picture_of(1)), Error);
}

TEST(PngWriter, RefusesWhatPngOfEightBitsCannotHold) {
  Picture picture = picture_of(3);
  picture.channels = 2;
  EXPECT_THROW(encode_png(picture), Error);
  picture = picture_of(3);
  picture.extent.width = 6;
  EXPECT_THROW(encode_png(picture), Error);
  picture = picture_of(1);
  picture.samples = std::vector<float>(35);
  EXPECT_THROW(encode_png(picture), Error);
  picture = Picture{};
  EXPECT_THROW(encode_png(picture), Error);
}

}  // namespace
}  // namespace temper
