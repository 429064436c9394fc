#include "data/images/seen_picture.h"

#include <gtest/gtest.h>

#include <variant>
#include <vector>

#include "base/error.h"
#include "tests/tiny_pictures.h"

namespace temper {
namespace {

ImageProcessor processor() {
  ImageProcessor made;
  made.set_extent({16, 12});
  made.mean = {0.48F, 0.45F, 0.4F};
  made.deviation = {0.22F, 0.23F, 0.24F};
  return made;
}

TEST(SeenPicture, IsWhatThePixelsWereMadeOf) {
  const Picture picture = testing_support::striped_picture(16, 12, 3, true);
  std::vector<float> pixels(16 * 12 * 3);
  to_pixels(picture, processor(), 3, pixels);
  const Picture seen = seen_picture(pixels, {16, 12}, 3, processor());
  EXPECT_EQ(std::get<std::vector<std::uint8_t>>(seen.samples), std::get<std::vector<std::uint8_t>>(picture.samples));
  EXPECT_EQ(seen.extent, picture.extent);
}

TEST(SeenPicture, MovesWhatLiesBeyondBlackAndWhite) {
  ImageProcessor plain;
  const Picture seen = seen_picture(std::vector<float>{-1.0F, 2.0F}, {1, 2}, 1, plain);
  EXPECT_EQ(std::get<std::vector<std::uint8_t>>(seen.samples), (std::vector<std::uint8_t>{0, 255}));
}

TEST(SeenPicture, RefusesMeansOfOtherChannels) {
  ImageProcessor two = processor();
  two.mean = {0.1F, 0.2F};
  EXPECT_THROW((void)seen_picture(std::vector<float>(3), {1, 1}, 3, two), Error);
}

}  // namespace
}  // namespace temper
