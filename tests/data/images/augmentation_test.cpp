#include "data/images/augmentation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/error.h"
#include "data/images/colour.h"
#include "data/images/geometry.h"
#include "tests/data/images/noise.h"

namespace temper {
namespace {

using testing_support::noise;
using Bytes = std::vector<std::uint8_t>;
using Floats = std::vector<float>;

ImageProcessor processor_of(const std::string& size) {
  return parse_image_processor("", R"({"model_type": "vit", "image_size": )" + size + "}", "model");
}

AugmentationSettings everything() {
  AugmentationSettings all;
  all.resized_crop = true;
  all.crop_padding = 2;
  all.horizontal_flip = 0.5;
  all.vertical_flip = 0.5;
  all.rotation = 20.0;
  all.rand_augment_operations = 2;
  all.brightness = all.contrast = all.saturation = 0.4;
  all.erasing = 0.5;
  return all;
}

TEST(Augmentation, IsAFunctionOfSeedEpochAndExample) {
  const ImageProcessor processor = processor_of("24");
  const Picture picture = noise({40, 50}, 3, 1);
  const ExampleDraw draw{7, 3, 11};
  const Picture made = augment(picture, everything(), processor, draw);
  EXPECT_EQ(made.extent, (ImageExtent{24, 24}));
  EXPECT_EQ(made.samples, augment(picture, everything(), processor, draw).samples);
  for (const ExampleDraw& other : {ExampleDraw{8, 3, 11}, ExampleDraw{7, 4, 11}, ExampleDraw{7, 3, 12}})
    EXPECT_NE(made.samples, augment(picture, everything(), processor, other).samples);
}

TEST(Augmentation, ThatIsOffIsWhatEvaluationSees) {
  const ImageProcessor processor = processor_of("24");
  const Picture picture = noise({40, 50}, 3, 2);
  EXPECT_FALSE(AugmentationSettings().changes_pictures());
  EXPECT_EQ(augment(picture, {}, processor, {1, 2, 3}).samples, fitted(picture, processor).samples);
}

TEST(Augmentation, OfOneKindDoesNotChangeWhatOthersDraw) {
  const ImageProcessor processor = processor_of("24");
  const Picture picture = noise({40, 50}, 3, 3);
  AugmentationSettings crop;
  crop.resized_crop = true;
  AugmentationSettings both = crop;
  both.horizontal_flip = 1.0;
  both.vertical_flip = 1.0;
  const ExampleDraw draw{1, 2, 3};
  EXPECT_EQ(augment(picture, both, processor, draw).samples,
            upside_down(mirrored(augment(picture, crop, processor, draw))).samples);
}

TEST(Augmentation, FlipsAsOftenAsItIsTold) {
  const ImageProcessor processor = processor_of("2");
  const Picture picture = noise({2, 2}, 1, 4);
  AugmentationSettings settings;
  settings.horizontal_flip = 0.3;
  int flipped = 0;
  for (std::uint32_t example = 0; example < 4000; ++example)
    flipped += augment(picture, settings, processor, {5, 0, example}).samples != picture.samples ? 1 : 0;
  EXPECT_NEAR(flipped / 4000.0, 0.3, 0.03);
}

/// A picture that tells from where a pixel comes: its row in red, its column in green.
Picture places(ImageExtent extent) {
  Picture picture{extent, 3, {}, 0.0F, 255.0F};
  Bytes samples;
  for (std::int64_t y = 0; y < extent.height; ++y)
    for (std::int64_t x = 0; x < extent.width; ++x)
      samples.insert(samples.end(), {static_cast<std::uint8_t>(y), static_cast<std::uint8_t>(x), 255});
  picture.samples = samples;
  return picture;
}

TEST(Augmentation, CropsTheShareAndTheRatioThatItIsTold) {
  ImageProcessor processor = processor_of("64");
  processor.filter = ResizeFilter::nearest;
  AugmentationSettings settings;
  settings.resized_crop = true;
  settings.crop_scale = {0.2, 0.6};
  settings.crop_ratio = {0.5, 2.0};
  double least = 1.0;
  double most = 0.0;
  std::set<int> tops;
  const Picture picture = places({100, 120});
  for (std::uint32_t example = 0; example < 400; ++example) {
    const Picture made = augment(picture, settings, processor, {5, 1, example});
    const Bytes& samples = std::get<Bytes>(made.samples);
    const std::size_t last = samples.size() - 3;
    // From the first pixel's centre to the last one's; the rectangle is a 63rd larger, and a pixel may be lost.
    const double height = (samples[last] - samples[0]) * 64.0 / 63.0;
    const double width = (samples[last + 1] - samples[1]) * 64.0 / 63.0;
    const double share = height * width / (100.0 * 120.0);
    least = std::min(least, share);
    most = std::max(most, share);
    EXPECT_GT(width / height, 0.45);
    EXPECT_LT(width / height, 2.2);
    tops.insert(samples[0]);
  }
  EXPECT_NEAR(least, 0.2, 0.03);
  EXPECT_NEAR(most, 0.6, 0.03);
  EXPECT_GT(tops.size(), 30U);
}

TEST(Augmentation, CropsTheMiddleWhereNoRectangleFits) {
  ImageProcessor processor = processor_of("10");
  processor.filter = ResizeFilter::nearest;
  AugmentationSettings settings;
  settings.resized_crop = true;
  settings.crop_scale = {1.0, 1.0};
  settings.crop_ratio = {1.0, 1.0};
  const Picture made = augment(places({10, 30}), settings, processor, {1, 1, 1});
  EXPECT_EQ(made.samples, crop(places({10, 30}), {0, 10, {10, 10}}).samples);
}

TEST(Augmentation, ShiftsByThePaddingAtMost) {
  const ImageProcessor processor = processor_of("20");
  AugmentationSettings settings;
  settings.crop_padding = 3;
  std::set<std::pair<int, int>> shifts;
  const Picture picture = places({20, 20});
  for (std::uint32_t example = 0; example < 600; ++example) {
    const Bytes samples = std::get<Bytes>(augment(picture, settings, processor, {2, 1, example}).samples);
    const std::size_t middle = (10 * 20 + 10) * 3;
    shifts.insert({samples[middle] - 10, samples[middle + 1] - 10});
  }
  EXPECT_EQ(shifts.size(), 49U);
  EXPECT_EQ(shifts.begin()->first, -3);
  EXPECT_EQ(shifts.rbegin()->first, 3);
}

TEST(Augmentation, ErasesToTheMean) {
  const ImageProcessor processor =
      parse_image_processor(R"({"size": 32, "image_mean": [0.2, 0.4, 0.6], "image_std": 0.5})", "", "model");
  AugmentationSettings settings;
  settings.erasing = 1.0;
  const Picture picture{{32, 32}, 3, Bytes(32 * 32 * 3, 7), 0.0F, 255.0F};
  for (std::uint32_t example = 0; example < 50; ++example) {
    const Bytes samples = std::get<Bytes>(augment(picture, settings, processor, {2, 1, example}).samples);
    int erased = 0;
    for (std::size_t i = 0; i < samples.size(); i += 3) {
      if (samples[i] == 7) continue;
      ++erased;
      ASSERT_EQ(samples[i], 51);
      ASSERT_EQ(samples[i + 1], 102);
      ASSERT_EQ(samples[i + 2], 153);
    }
    EXPECT_GE(erased, 10);
    EXPECT_LE(erased, 360);
  }
  settings.erasing = 0.25;
  int some = 0;
  for (std::uint32_t example = 0; example < 2000; ++example)
    some += augment(picture, settings, processor, {3, 1, example}).samples != picture.samples ? 1 : 0;
  EXPECT_NEAR(some / 2000.0, 0.25, 0.04);
}

TEST(Augmentation, TakesPicturesOfEveryType) {
  const ImageProcessor processor = processor_of("24");
  const Picture bytes = noise({40, 50}, 1, 5);
  Picture words = bytes;
  std::vector<std::uint16_t> samples;
  for (const std::uint8_t sample : std::get<Bytes>(bytes.samples))
    samples.push_back(static_cast<std::uint16_t>(100 + sample * 10));
  words.samples = samples;
  words.black = 100.0F;
  words.white = 2650.0F;
  AugmentationSettings settings = everything();
  // What depends on whole numbers is left out: posterizing and solarizing jump.
  settings.rand_augment_operations = 0;
  const Picture of_words = augment(words, settings, processor, {1, 2, 3});
  const Picture of_bytes = augment(bytes, settings, processor, {1, 2, 3});
  for (std::size_t i = 0; i < 24 * 24; ++i)
    EXPECT_NEAR(std::get<Floats>(of_words.samples)[i], std::get<Bytes>(of_bytes.samples)[i], 4.0F) << i;
}

TEST(Augmentation, NamesTheKeyThatIsWrong) {
  const auto refused = [](auto change) {
    AugmentationSettings settings;
    change(settings);
    try {
      check_augmentation(settings, "augment.");
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage);
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(refused([](auto&) {}), "");
  EXPECT_EQ(refused([](auto& s) { s.horizontal_flip = 1.5; }), "augment.horizontal_flip is 1.5, expected 0 to 1");
  EXPECT_EQ(refused([](auto& s) {
              s.crop_scale = {0.5, 0.2};
            }),
            "augment.crop_scale is [0.5, 0.2], expected two numbers above 0, the smaller one first, at most 1");
  EXPECT_NE(refused([](auto& s) { s.mixup = -1.0; }), "");
  EXPECT_NE(refused([](auto& s) { s.rotation = std::nan(""); }), "");
  EXPECT_NE(refused([](auto& s) { s.rand_augment_magnitude = 31; }), "");
}

TEST(Mixing, DrawsPartnersAndSharesByCounter) {
  AugmentationSettings settings;
  EXPECT_EQ(draw_mixing(settings, {1, 2, 3}, 10, {8, 8}).kind, Mixing::Kind::none);
  settings.mixup = 0.2;
  double sum = 0.0;
  double squares = 0.0;
  std::set<std::int64_t> partners;
  for (std::uint32_t example = 0; example < 5000; ++example) {
    const Mixing mixing = draw_mixing(settings, {1, 2, example}, 100, {8, 8});
    ASSERT_EQ(mixing.kind, Mixing::Kind::mixup);
    ASSERT_GE(mixing.weight, 0.0F);
    ASSERT_LE(mixing.weight, 1.0F);
    sum += static_cast<double>(mixing.weight);
    squares += static_cast<double>(mixing.weight) * static_cast<double>(mixing.weight);
    partners.insert(mixing.partner);
  }
  EXPECT_EQ(partners.size(), 100U);
  EXPECT_EQ(*partners.rbegin(), 99);
  // Beta(a, a): the mean is a half, the variance 1 / (4 (2 a + 1)).
  EXPECT_NEAR(sum / 5000.0, 0.5, 0.02);
  EXPECT_NEAR(squares / 5000.0 - 0.25, 1.0 / (4.0 * 1.4), 0.01);
  settings.mixup = 2.0;
  squares = 0.0;
  for (std::uint32_t example = 0; example < 5000; ++example) {
    const auto weight = static_cast<double>(draw_mixing(settings, {1, 2, example}, 100, {8, 8}).weight);
    squares += (weight - 0.5) * (weight - 0.5);
  }
  EXPECT_NEAR(squares / 5000.0, 1.0 / (4.0 * 5.0), 0.004);
}

TEST(Mixing, WeighsWhatIsLeftOfAPicture) {
  AugmentationSettings settings;
  settings.cutmix = 1.0;
  const ImageExtent extent{16, 20};
  double kept = 0.0;
  for (std::uint32_t example = 0; example < 500; ++example) {
    const Mixing mixing = draw_mixing(settings, {3, 0, example}, 7, extent);
    ASSERT_EQ(mixing.kind, Mixing::Kind::cutmix);
    Floats pixels(16 * 20 * 3, 1.0F);
    const Floats partner(pixels.size(), 0.0F);
    mix_pixels(pixels, partner, mixing, extent, 3);
    float sum = 0.0F;
    for (const float value : pixels) sum += value;
    EXPECT_NEAR(sum / static_cast<float>(pixels.size()), mixing.weight, 1e-5F);
    kept += static_cast<double>(mixing.weight) / 500.0;
  }
  EXPECT_GT(kept, 0.5);  // a rectangle that is cut off at an edge replaces less
  EXPECT_LT(kept, 0.8);
  settings.mixup = 0.4;
  int cut = 0;
  for (std::uint32_t example = 0; example < 1000; ++example)
    cut += draw_mixing(settings, {3, 0, example}, 7, extent).kind == Mixing::Kind::cutmix ? 1 : 0;
  EXPECT_NEAR(cut / 1000.0, 0.5, 0.06);
}

TEST(Mixing, AddsThePicturesWithTheirShares) {
  Floats pixels = {1.0F, 2.0F, 3.0F, 4.0F};
  const Floats partner = {10.0F, 20.0F, 30.0F, 40.0F};
  Mixing mixing;
  mix_pixels(pixels, partner, mixing, {2, 2}, 1);
  EXPECT_EQ(pixels, (Floats{1.0F, 2.0F, 3.0F, 4.0F}));
  mixing.kind = Mixing::Kind::cutmix;
  mixing.replaced = {1, 0, {1, 1}};
  mix_pixels(pixels, partner, mixing, {2, 2}, 1);
  EXPECT_EQ(pixels, (Floats{1.0F, 2.0F, 30.0F, 4.0F}));
  mixing.kind = Mixing::Kind::mixup;
  mixing.weight = 0.75F;
  mix_pixels(pixels, partner, mixing, {2, 2}, 1);
  EXPECT_EQ(pixels, (Floats{3.25F, 6.5F, 30.0F, 13.0F}));
  EXPECT_THROW(mix_pixels(pixels, Floats(3), mixing, {2, 2}, 1), Error);
}

TEST(TestTimeViews, AreCornersOfWhatIsCropped) {
  ImageProcessor processor = parse_image_processor(
      R"({"image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 12}, "crop_size": 8})", "", "model");
  const Picture picture = noise({24, 36}, 3, 6);
  const Picture whole = resize(picture, {12, 18}, ResizeFilter::bicubic);
  const auto seen = [&](PictureView view) { return viewed(picture, processor, view).samples; };
  EXPECT_EQ(seen(PictureView::top_left), crop(whole, {0, 0, {8, 8}}).samples);
  EXPECT_EQ(seen(PictureView::top_right), crop(whole, {0, 10, {8, 8}}).samples);
  EXPECT_EQ(seen(PictureView::bottom_left), crop(whole, {4, 0, {8, 8}}).samples);
  EXPECT_EQ(seen(PictureView::bottom_right), crop(whole, {4, 10, {8, 8}}).samples);
  EXPECT_EQ(seen(PictureView::centre), crop(whole, {2, 5, {8, 8}}).samples);
  EXPECT_EQ(seen(PictureView::centre), seen(PictureView::whole));
  EXPECT_EQ(seen(PictureView::flipped), mirrored(fitted(picture, processor)).samples);

  processor = processor_of("14");
  EXPECT_EQ(viewed(picture, processor, PictureView::bottom_right).samples,
            crop(resize(picture, {16, 16}, ResizeFilter::bilinear), {2, 2, {14, 14}}).samples);
}

TEST(TestTimeViews, HaveNames) {
  EXPECT_EQ(test_time_views("none").size(), 1U);
  EXPECT_EQ(test_time_views("flip").size(), 2U);
  EXPECT_EQ(test_time_views("five-crops").size(), 5U);
  EXPECT_THROW(test_time_views("ten"), Error);
}

}  // namespace
}  // namespace temper
