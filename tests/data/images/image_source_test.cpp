#include "data/images/image_source.h"

#include <gtest/gtest.h>

#include "data/loader.h"
#include "data/pictures/png_writer.h"
#include "tests/data/temporary_folder.h"
#include "tests/tiny_pictures.h"

namespace temper {
namespace {

using testing_support::error_of;
using testing_support::striped_picture;
using testing_support::TemporaryFolder;

class ImageSourceTest : public testing::Test {
 protected:
  static constexpr int kRows = 7;

  void SetUp() override {
    for (int i = 0; i < kRows; ++i) {
      const std::string name = (folder_.path() / (std::to_string(i) + ".png")).string();
      write_png(name, striped_picture(20, 16, static_cast<std::uint32_t>(i), i % 2 == 0));
      rows_.files.push_back(name);
      rows_.classes.push_back(i % 2);
    }
    reading_.processor.size = {8, 12};
    reading_.processor.mean = {0.5F};
    reading_.processor.deviation = {0.25F};
    reading_.tokens = 3;
    reading_.seed = 5;
  }
  void augment() {
    reading_.augmentation.resized_crop = true;
    reading_.augmentation.horizontal_flip = 0.5;
  }
  [[nodiscard]] ImageSource source() const { return {rows_, reading_}; }
  static const std::vector<float>& pixels(const Batch& batch) { return std::get<Pixels>(batch.content).values; }

  TemporaryFolder folder_;
  ImageRows rows_;
  ImageReading reading_;
};

TEST_F(ImageSourceTest, ReadsPicturesAsTheProcessorMakesThem) {
  const Batch batch = source().read(std::vector<std::int64_t>{4, 1}, kEvaluationEpoch);
  std::vector<float> expected(8 * 12 * 3);
  to_pixels(striped_picture(20, 16, 4, true), reading_.processor, 3, expected);
  ASSERT_EQ(pixels(batch).size(), 2 * expected.size());
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), pixels(batch).begin()));
  EXPECT_EQ(batch.classes, (std::vector<std::int32_t>{0, 1}));
  EXPECT_EQ(batch.sequence_starts, (std::vector<std::int32_t>{0, 3, 6}));
  EXPECT_EQ(batch.positions, (std::vector<std::int32_t>{0, 1, 2, 0, 1, 2}));
  EXPECT_EQ(batch.examples, (std::vector<std::uint32_t>{4, 1}));
  EXPECT_EQ(batch.image_extent(), (ImageExtent{8, 12}));
}

TEST_F(ImageSourceTest, AugmentsByEpochAndExampleAlone) {
  augment();
  const ImageSource images = source();
  reading_.threads = 3;
  const ImageSource in_threads = source();
  const std::vector<std::int64_t> all{0, 1, 2, 3, 4, 5, 6};
  const Batch first = images.read(all, 0);
  EXPECT_EQ(first, in_threads.read(all, 0));
  EXPECT_NE(pixels(first), pixels(images.read(all, 1))) << "another epoch";
  EXPECT_NE(pixels(first), pixels(images.read(all, kEvaluationEpoch)));
  const Batch alone = images.read(std::vector<std::int64_t>{3}, 0);
  EXPECT_TRUE(std::equal(pixels(alone).begin(), pixels(alone).end(), pixels(first).begin() + 3 * 8 * 12 * 3))
      << "whatever else is in the batch";
  EXPECT_TRUE(images.is_transformed());
}

TEST_F(ImageSourceTest, GivesTheSameFromItsCaches) {
  const std::vector<std::int64_t> all{0, 1, 2, 3, 4, 5, 6};
  const Batch expected = source().read(all, kEvaluationEpoch);
  PictureCache on_disk({0, folder_.path(), 1 << 20});
  on_disk.keep("a", std::make_shared<const Picture>(striped_picture(20, 16, 0, true)));
  if (on_disk.find("a") == nullptr) GTEST_SKIP() << "the folder of temporary files is memory";
  // Room for three of the seven in memory.
  reading_.cache = std::make_shared<PictureCache>(PictureCacheSettings{3 * 20 * 16 * 3, folder_.path(), 1 << 20});
  const ImageSource cached = source();
  EXPECT_EQ(cached.read(all, kEvaluationEpoch), expected);
  for (const std::string& file : rows_.files) std::filesystem::remove(file);
  EXPECT_EQ(cached.read(all, kEvaluationEpoch), expected) << "some from memory, some from the file";
  reading_.cache = std::make_shared<PictureCache>(PictureCacheSettings{3 * 20 * 16 * 3, {}, 0});
  EXPECT_NE(error_of([&] { (void)source().read(all, kEvaluationEpoch); }), "");
}

TEST_F(ImageSourceTest, ReadsNoFileForAnOutline) {
  for (const std::string& file : rows_.files) std::filesystem::remove(file);
  const Batch outline = source().read(std::vector<std::int64_t>{2, 5}, {0, /*outline=*/true});
  EXPECT_TRUE(pixels(outline).empty());
  EXPECT_EQ(outline.image_extent(), (ImageExtent{8, 12}));
  EXPECT_EQ(outline.classes, (std::vector<std::int32_t>{0, 1}));
}

TEST_F(ImageSourceTest, StopsAtAFileThatCannotBeReadOrTakesTheNextOne) {
  (void)folder_.file("2.png", "no picture at all");
  EXPECT_HAS(error_of([&] { (void)source().read(std::vector<std::int64_t>{2}, 0); }), "2.png");
  reading_.skips_unreadable = true;
  const ImageSource images = source();
  const Batch batch = images.read(std::vector<std::int64_t>{2}, 0);
  EXPECT_TRUE(images.is_transformed()) << "whose hidden states are nobody's to keep";
  EXPECT_EQ(pixels(batch), pixels(images.read(std::vector<std::int64_t>{3}, 0)));
  EXPECT_EQ(batch.classes, std::vector<std::int32_t>{1}) << "the label of the picture that took its place";
  ASSERT_EQ(images.unreadable().size(), 1U);
  EXPECT_HAS(images.unreadable().front(), "2.png");
}

TEST_F(ImageSourceTest, OpensWhatCannotBeReadOnce) {
  (void)folder_.file("2.png", "no picture at all");
  reading_.skips_unreadable = true;
  const ImageSource images = source();
  EXPECT_FALSE(images.stands_for_itself(2));
  EXPECT_TRUE(images.stands_for_itself(3));
  const std::vector<std::int64_t> known{2};
  const ImageSource told(rows_, reading_, known);
  EXPECT_TRUE(told.is_unreadable(2));
  EXPECT_TRUE(told.unreadable().empty()) << "that was said before";
  std::filesystem::copy_file(rows_.files[3], rows_.files[2], std::filesystem::copy_options::overwrite_existing);
  EXPECT_FALSE(images.stands_for_itself(2)) << "or ranks would not agree on which rows it is";
  EXPECT_FALSE(told.stands_for_itself(2));
}

TEST_F(ImageSourceTest, MixesPicturesAndSharesTheirLabels) {
  reading_.augmentation.mixup = 1.0;
  const ImageSource images = source();
  const std::vector<std::int64_t> some{0, 3, 6};
  const Batch batch = images.read(some, 2);
  ASSERT_EQ(batch.classes.size(), 6U);
  EXPECT_EQ(batch.class_sequences, (std::vector<std::int32_t>{0, 0, 1, 1, 2, 2}));
  for (std::size_t i = 0; i < some.size(); ++i) {
    const Mixing mixing =
        draw_mixing(reading_.augmentation, {5, 2, static_cast<std::uint32_t>(some[i])}, kRows, {8, 12});
    EXPECT_EQ(batch.classes[2 * i], some[i] % 2);
    EXPECT_EQ(batch.classes[2 * i + 1], mixing.partner % 2);
    EXPECT_EQ(batch.weights[2 * i], mixing.weight);
    EXPECT_EQ(batch.weights[2 * i + 1], 1.0F - mixing.weight);
    std::vector<float> own(8 * 12 * 3);
    std::vector<float> other(own.size());
    to_pixels(striped_picture(20, 16, static_cast<std::uint32_t>(some[i]), some[i] % 2 == 0), reading_.processor, 3,
              own);
    to_pixels(striped_picture(20, 16, static_cast<std::uint32_t>(mixing.partner), mixing.partner % 2 == 0),
              reading_.processor, 3, other);
    mix_pixels(own, other, mixing, {8, 12}, 3);
    EXPECT_TRUE(
        std::equal(own.begin(), own.end(), pixels(batch).begin() + static_cast<std::ptrdiff_t>(i * own.size())));
  }
  EXPECT_TRUE(images.read(some, kEvaluationEpoch).class_sequences.empty()) << "evaluations see pictures as they are";
}

TEST_F(ImageSourceTest, MixesNumbers) {
  rows_.classes.clear();
  rows_.target_width = 2;
  for (int i = 0; i < kRows; ++i) rows_.targets.insert(rows_.targets.end(), {static_cast<float>(i), 1.0F});
  reading_.augmentation.cutmix = 1.0;
  const Batch batch = source().read(std::vector<std::int64_t>{5}, 1);
  const Mixing mixing = draw_mixing(reading_.augmentation, {5, 1, 5}, kRows, {8, 12});
  EXPECT_FLOAT_EQ(batch.targets[0], mixing.weight * 5.0F + (1.0F - mixing.weight) * static_cast<float>(mixing.partner));
  EXPECT_FLOAT_EQ(batch.targets[1], 1.0F);
}

}  // namespace
}  // namespace temper
