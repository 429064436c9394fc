#include "data/batch.h"

#include <gtest/gtest.h>

#include "tests/data/temporary_folder.h"

namespace temper {
namespace {

using testing_support::error_of;

TEST(Batch, CountsThePositionsOfTextsAndOfImages) {
  Batch texts;
  texts.text() = {{7, 8, 9}, {0, 0, 0}};
  texts.sequence_starts = {0, 1, 3};
  Batch images;
  images.content = Pixels{std::vector<float>(2 * 4 * 4 * 3), 4, 4, 3};
  images.sequence_starts = {0, 4, 8};  // patches of 2 x 2
  EXPECT_EQ(texts.tokens(), 3);
  EXPECT_EQ(images.tokens(), 8);
  EXPECT_EQ(images.sequences(), 2);
  EXPECT_EQ(images.max_length(), 4);
  EXPECT_EQ(Batch().tokens(), 0);
}

TEST(Batch, OfImagesIsNoText) {
  Batch images;
  images.content = Pixels();
  EXPECT_NE(images, Batch());
  EXPECT_EQ(error_of([&] { (void)images.text(); }), "a batch of images came where texts are expected");
}

}  // namespace
}  // namespace temper
