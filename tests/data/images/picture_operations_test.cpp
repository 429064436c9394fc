// What each operation makes of a picture of 4 by 5 pixels. The values were computed with numpy by the formulas of
// Pillow (Blend.c, Filter.c, Geometry.c, ImageEnhance.py, ImageOps.py) in its types, and the strengths are those of
// torchvision's RandAugment.
#include <gtest/gtest.h>

#include <cstdint>
#include <numeric>
#include <variant>
#include <vector>

#include "data/images/colour_changes.h"
#include "data/images/geometry.h"
#include "data/images/rand_augment.h"

namespace temper {
namespace {

using Bytes = std::vector<std::uint8_t>;
using Floats = std::vector<float>;

Bytes pattern(int values) {
  Bytes samples;
  for (int i = 0; i < values; ++i) samples.push_back(static_cast<std::uint8_t>((i * i * 31 + i * 17 + 5) % 256));
  return samples;
}

Picture colours() { return {{4, 5}, 3, pattern(60), 0.0F, 255.0F}; }

/// The red of colours().
Picture reds() {
  Picture picture{{4, 5}, 1, {}, 0.0F, 255.0F};
  Bytes samples;
  for (std::size_t i = 0; i < 60; i += 3) samples.push_back(pattern(60)[i]);
  picture.samples = samples;
  return picture;
}

Picture as_floats(const Picture& picture) {
  const Bytes& bytes = std::get<Bytes>(picture.samples);
  return {picture.extent, picture.channels, Floats(bytes.begin(), bytes.end()), 0.0F, 255.0F};
}

Bytes bytes_of(const Picture& picture) { return std::get<Bytes>(picture.samples); }

/// Floats lie within two of the bytes, which are cut off behind the point.
void expect_floats_agree(const Picture& floats, const Picture& bytes) {
  const Floats& found = std::get<Floats>(floats.samples);
  const Bytes& expected = std::get<Bytes>(bytes.samples);
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_GE(found[i], static_cast<float>(expected[i]) - 2.01F) << i;
    EXPECT_LE(found[i], static_cast<float>(expected[i]) + 2.01F) << i;
  }
}

TEST(ColourChanges, Brightness) {
  EXPECT_EQ(bytes_of(with_brightness(colours(), 1.4)),
            (Bytes{7,   74,  228, 110, 79,  135, 255, 149, 107, 152, 255, 144, 91,  124, 245, 93,  29,  51, 161, 255,
                   255, 255, 32,  217, 130, 130, 217, 32,  255, 255, 255, 161, 51,  29,  93,  245, 124, 91, 144, 255,
                   152, 107, 149, 255, 135, 79,  110, 228, 74,  7,   26,  133, 255, 247, 255, 255, 175, 85, 82,  166}));
  EXPECT_EQ(bytes_of(with_brightness(colours(), 0.3)),
            (Bytes{1,  15, 48, 23, 17, 29, 59, 32, 23, 32, 60, 30, 19, 26, 52, 20, 6,  11, 34, 76,
                   60, 62, 6,  46, 27, 27, 46, 6,  62, 60, 76, 34, 11, 6,  20, 52, 26, 19, 30, 60,
                   32, 23, 32, 59, 29, 17, 23, 48, 15, 1,  5,  28, 69, 53, 54, 75, 37, 18, 17, 35}));
  expect_floats_agree(with_brightness(as_floats(colours()), 1.4), with_brightness(colours(), 1.4));
}

TEST(ColourChanges, Contrast) {
  EXPECT_EQ(bytes_of(with_contrast(colours(), 1.7)),
            (Bytes{0,   11,  198, 55,  18, 86, 255, 103, 52,  106, 255, 96,  32,  72,  219, 35,  0,   0,  117, 255,
                   255, 255, 0,   185, 79, 79, 185, 0,   255, 255, 255, 117, 0,   0,   35,  219, 72,  32, 96,  255,
                   106, 52,  103, 255, 86, 18, 55,  198, 11,  0,   0,   83,  255, 222, 232, 255, 134, 25, 21,  123}));
  EXPECT_EQ(bytes_of(with_contrast(colours(), 0.55)),
            (Bytes{53,  79,  140, 93,  81,  103, 159, 109, 92,  110, 162, 107, 86,  99,  146, 87,  61,  70, 113, 190,
                   160, 165, 63,  135, 101, 101, 135, 63,  165, 160, 190, 113, 70,  61,  87,  146, 99,  86, 107, 162,
                   110, 92,  109, 159, 103, 81,  93,  140, 79,  53,  60,  102, 178, 147, 151, 188, 119, 83, 82,  115}));
  expect_floats_agree(with_contrast(as_floats(colours()), 0.55), with_contrast(colours(), 0.55));
}

TEST(ColourChanges, Saturation) {
  EXPECT_EQ(bytes_of(with_saturation(colours(), 0.2)),
            (Bytes{41,  51,  73,  70,  65,  73, 144, 126, 120, 152, 171, 151, 86,  91,  108, 43,  33,  37, 188, 216,
                   205, 117, 79,  106, 98,  98, 111, 126, 163, 161, 169, 141, 125, 57,  66,  87,  79,  74, 82,  147,
                   128, 121, 149, 167, 147, 77, 81,  98,  27,  17,  20,  167, 194, 183, 209, 223, 197, 65, 64,  76}));
  EXPECT_EQ(bytes_of(with_saturation(colours(), 1.9)),
            (Bytes{0,   54,  255, 88,  47, 123, 255, 85,  28,  60,  239, 49, 40,  86,  249, 94,  6,  37, 32,  255,
                   195, 255, 0,   209, 86, 86,  204, 0,   255, 245, 255, 85, 0,   0,   67,  255, 99, 54, 126, 255,
                   87,  26,  59,  234, 40, 34,  76,  235, 81,  0,   17,  14, 255, 169, 153, 255, 43, 56, 52,  166}));
  expect_floats_agree(with_saturation(as_floats(colours()), 0.2), with_saturation(colours(), 0.2));
  EXPECT_EQ(bytes_of(with_saturation(reds(), 0.2)), bytes_of(reds()));
}

TEST(ColourChanges, Sharpness) {
  EXPECT_EQ(bytes_of(with_sharpness(colours(), 1.5)),
            (Bytes{5,   53,  163, 79,  57, 97, 199, 107, 77,  109, 203, 103, 65,  89,  175, 67,  21,  37, 115, 255,
                   230, 238, 0,   164, 83, 83, 164, 23,  209, 201, 255, 115, 37,  0,   57,  194, 79,  45, 93,  232,
                   99,  57,  107, 199, 97, 57, 79,  163, 53,  5,   19,  95,  233, 177, 183, 251, 125, 61, 59,  119}));
  EXPECT_EQ(
      bytes_of(with_sharpness(colours(), 0.0)),
      (Bytes{5,   53,  163, 79,  57,  97,  199, 107, 77,  109, 203, 103, 65,  89,  175, 67,  21,  37,  115, 137,
             142, 150, 82,  136, 113, 113, 136, 23,  209, 201, 255, 115, 37,  80,  87,  136, 109, 105, 123, 144,
             129, 117, 107, 199, 97,  57,  79,  163, 53,  5,   19,  95,  233, 177, 183, 251, 125, 61,  59,  119}));
  expect_floats_agree(with_sharpness(as_floats(colours()), 0.0), with_sharpness(colours(), 0.0));
}

TEST(ColourChanges, Posterizing) {
  EXPECT_EQ(bytes_of(posterized(colours(), 3)),
            (Bytes{0,   32,  160, 64,  32, 96, 192, 96,  64,  96,  192, 96, 64,  64,  160, 64,  0,  32, 96, 224,
                   192, 192, 0,   128, 64, 64, 128, 0,   192, 192, 224, 96, 32,  0,   64,  160, 64, 64, 96, 192,
                   96,  64,  96,  192, 96, 32, 64,  160, 32,  0,   0,   64, 224, 160, 160, 224, 96, 32, 32, 96}));
  EXPECT_EQ(bytes_of(posterized(colours(), 8)), bytes_of(colours()));
  expect_floats_agree(posterized(as_floats(colours()), 3), posterized(colours(), 3));
}

TEST(ColourChanges, Solarizing) {
  EXPECT_EQ(bytes_of(solarized(colours(), 100.0)),
            (Bytes{5,   53, 92,  79,  57, 97, 56,  148, 77, 146, 52, 152, 65, 89, 80, 67, 21,  37, 140, 0,
                   54,  46, 23,  100, 93, 93, 100, 23,  46, 54,  0,  140, 37, 21, 67, 80, 89,  65, 152, 52,
                   146, 77, 148, 56,  97, 57, 79,  92,  53, 5,   19, 95,  22, 78, 72, 4,  130, 61, 59,  136}));
  expect_floats_agree(solarized(as_floats(colours()), 100.0), solarized(colours(), 100.0));
}

TEST(ColourChanges, StretchedContrast) {
  EXPECT_EQ(bytes_of(with_stretched_contrast(colours())),
            (Bytes{0,   48,  201, 75,  53,  109, 197, 104, 81,  106, 201, 117, 61,  85,  218, 63,  16,  25, 112, 255,
                   255, 208, 18,  190, 89,  89,  190, 18,  208, 255, 255, 112, 25,  16,  63,  218, 85,  61, 117, 201,
                   106, 81,  104, 197, 109, 53,  75,  201, 48,  0,   0,   91,  232, 221, 181, 250, 148, 57, 55,  140}));
  const Picture flat{{1, 2}, 1, Bytes{9, 9}, 0.0F, 255.0F};
  EXPECT_EQ(bytes_of(with_stretched_contrast(flat)), (Bytes{9, 9}));
  expect_floats_agree(with_stretched_contrast(as_floats(colours())), with_stretched_contrast(colours()));
}

TEST(ColourChanges, Equalizing) {
  Bytes samples;
  for (int i = 0; i < 1600; ++i) samples.push_back(static_cast<std::uint8_t>((i * i * 31 + i * 17 + 5) % 97 + 20));
  const Picture picture{{40, 40}, 1, samples, 0.0F, 255.0F};
  const Bytes found = bytes_of(equalized(picture));
  EXPECT_EQ(Bytes(found.begin(), found.begin() + 20),
            (Bytes{0, 156, 184, 123, 223, 239, 167, 250, 234, 145, 206, 173, 38, 76, 27, 162, 179, 93, 201, 201}));
  EXPECT_EQ(std::accumulate(found.begin(), found.end(), 0), 208839);
  // Too few pixels to make anything even.
  EXPECT_EQ(bytes_of(equalized(colours())), bytes_of(colours()));
  expect_floats_agree(equalized(as_floats(picture)), equalized(picture));
}

TEST(Geometry, RotatesLikePillow) {
  EXPECT_EQ(bytes_of(transformed(colours(), rotation_map({4, 5}, 20.0), Sampling::bilinear)),
            (Bytes{0,   0,   0,   147, 85,  85,  152, 147, 96,  77,  148, 152, 32,  181, 195, 45,  66,  123, 127, 159,
                   159, 186, 36,  153, 125, 110, 129, 82,  201, 126, 120, 47,  37,  70,  130, 168, 80,  65,  116, 172,
                   144, 99,  109, 134, 110, 210, 106, 65,  86,  60,  96,  71,  111, 99,  132, 240, 154, 0,   0,   0}));
  EXPECT_EQ(bytes_of(transformed(colours(), rotation_map({4, 5}, -75.0), Sampling::bilinear)),
            (Bytes{56,  76,  158, 176, 97,  80, 97,  143, 125, 70,  78,  118, 0,   0,   0,   53,  5,   19, 47,  65,
                   123, 123, 109, 162, 178, 87, 115, 0,   0,   0,   0,   0,   0,   114, 171, 137, 147, 75, 114, 126,
                   109, 135, 108, 202, 103, 0,  0,   0,   163, 201, 117, 148, 148, 96,  46,  170, 184, 66, 92,  172}));
  const Picture square{{3, 3}, 1, Bytes{1, 2, 3, 4, 5, 6, 7, 8, 9}, 0.0F, 255.0F};
  EXPECT_EQ(bytes_of(transformed(square, rotation_map({3, 3}, 90.0), Sampling::bilinear)),
            (Bytes{3, 6, 9, 2, 5, 8, 1, 4, 7}));
  const Picture words{{5, 5}, 1, std::vector<std::uint16_t>(25, 500), 40.0F, 4095.0F};
  EXPECT_EQ(std::get<1>(transformed(words, rotation_map({5, 5}, 45.0), Sampling::bilinear).samples).front(), 40);
}

TEST(Geometry, Flips) {
  const Picture picture{{2, 3}, 1, Bytes{1, 2, 3, 4, 5, 6}, 0.0F, 255.0F};
  EXPECT_EQ(bytes_of(mirrored(picture)), (Bytes{3, 2, 1, 6, 5, 4}));
  EXPECT_EQ(bytes_of(upside_down(picture)), (Bytes{4, 5, 6, 1, 2, 3}));
  const Picture two{{1, 2}, 3, Bytes{1, 2, 3, 4, 5, 6}, 0.0F, 255.0F};
  EXPECT_EQ(bytes_of(mirrored(two)), (Bytes{4, 5, 6, 1, 2, 3}));
}

TEST(RandAugment, MovesLikeTorchvision) {
  EXPECT_EQ(bytes_of(rand_augmented(reds(), RandAugmentOperation::shear_x, 30, false)),
            (Bytes{5, 79, 199, 109, 65, 67, 115, 209, 93, 23, 21, 89, 203, 107, 0, 53, 95, 183, 61, 0}));
  EXPECT_EQ(bytes_of(rand_augmented(reds(), RandAugmentOperation::shear_y, 30, true)),
            (Bytes{5, 79, 0, 0, 0, 67, 115, 199, 109, 65, 255, 21, 209, 93, 23, 57, 53, 89, 203, 107}));
  EXPECT_EQ(bytes_of(rand_augmented(reds(), RandAugmentOperation::translate_x, 30, false)),
            (Bytes{0, 0, 5, 79, 199, 0, 0, 67, 115, 209, 0, 0, 255, 21, 89, 0, 0, 57, 53, 95}));
  EXPECT_EQ(bytes_of(rand_augmented(reds(), RandAugmentOperation::translate_y, 30, true)),
            (Bytes{67, 115, 209, 93, 23, 255, 21, 89, 203, 107, 57, 53, 95, 183, 61, 0, 0, 0, 0, 0}));
  EXPECT_EQ(bytes_of(rand_augmented(reds(), RandAugmentOperation::rotate, 30, false)),
            (Bytes{0, 199, 109, 23, 23, 79, 115, 209, 203, 107, 67, 115, 89, 203, 183, 255, 255, 53, 95, 0}));
}

TEST(RandAugment, HasTorchvisionsStrengths) {
  using enum RandAugmentOperation;
  const auto made = [](RandAugmentOperation operation, std::int64_t magnitude, bool negative) {
    return bytes_of(rand_augmented(colours(), operation, magnitude, negative));
  };
  EXPECT_EQ(made(identity, 30, true), bytes_of(colours()));
  EXPECT_EQ(made(brightness, 10, false), bytes_of(with_brightness(colours(), 1.3)));
  EXPECT_EQ(made(brightness, 10, true), bytes_of(with_brightness(colours(), 0.7)));
  EXPECT_EQ(made(colour, 20, true), bytes_of(with_saturation(colours(), 0.4)));
  EXPECT_EQ(made(contrast, 20, false), bytes_of(with_contrast(colours(), 1.6)));
  EXPECT_EQ(made(sharpness, 30, true), bytes_of(with_sharpness(colours(), 0.1)));
  // Of 9 of 30, 1.2 bits go, rounded.
  EXPECT_EQ(made(posterize, 9, false), bytes_of(posterized(colours(), 7)));
  EXPECT_EQ(made(posterize, 30, false), bytes_of(posterized(colours(), 4)));
  EXPECT_EQ(made(solarize, 30, false), bytes_of(solarized(colours(), 0.0)));
  EXPECT_EQ(made(solarize, 0, false), bytes_of(solarized(colours(), 255.0)));
  EXPECT_EQ(made(auto_contrast, 3, true), bytes_of(with_stretched_contrast(colours())));
  EXPECT_EQ(made(equalize, 3, true), bytes_of(equalized(colours())));
}

}  // namespace
}  // namespace temper
