#include "data/images/resize.h"

#include "base/vector_targets.h"
//
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/error.h"
#include "data/images/filter_weights.h"
#include "hwy/highway.h"
#include "hwy/targets.h"
#include "tests/data/images/noise.h"

namespace temper {
namespace {

using testing_support::noise;
using Bytes = std::vector<std::uint8_t>;
using WideSamples = std::vector<std::uint16_t>;
using Floats = std::vector<float>;

template <typename Samples>
Picture as(const Picture& picture, float scale, float white) {
  Picture made = picture;
  Samples samples;
  for (const std::uint8_t sample : std::get<Bytes>(picture.samples))
    samples.push_back(static_cast<typename Samples::value_type>(static_cast<float>(sample) * scale));
  made.samples = samples;
  made.white = white;
  return made;
}

/// The two passes as they are written down, one sample after the other.
Bytes resized_naively(const Picture& picture, ImageExtent extent, ResizeFilter filter, PixelBox box) {
  const Bytes& in = std::get<Bytes>(picture.samples);
  const std::int64_t channels = picture.channels;
  const FilterWeights along =
      filter_weights(filter, picture.extent.width, box.left, box.right, extent.width, 0, extent.width);
  const FilterWeights down =
      filter_weights(filter, picture.extent.height, box.top, box.bottom, extent.height, 0, extent.height);
  const auto sum = [](const FilterWeights& weights, std::int64_t output, auto sample) {
    std::int64_t total = 1 << (kWeightBits - 1);
    for (std::int64_t k = 0; k < weights.counts[static_cast<std::size_t>(output)]; ++k) {
      const double value = weights.values[static_cast<std::size_t>(output * weights.longest + k)];
      total += sample(weights.first[static_cast<std::size_t>(output)] + k) * std::llround(value * (1 << kWeightBits));
    }
    return static_cast<std::uint8_t>(std::clamp(total >> kWeightBits, std::int64_t{0}, std::int64_t{255}));
  };
  Bytes between;
  for (std::int64_t y = 0; y < picture.extent.height; ++y)
    for (std::int64_t x = 0; x < extent.width; ++x)
      for (std::int64_t c = 0; c < channels; ++c)
        between.push_back(sum(along, x, [&](std::int64_t k) {
          return in[static_cast<std::size_t>((y * picture.extent.width + k) * channels + c)];
        }));
  Bytes out;
  for (std::int64_t y = 0; y < extent.height; ++y)
    for (std::int64_t x = 0; x < extent.width * channels; ++x)
      out.push_back(sum(
          down, y, [&](std::int64_t k) { return between[static_cast<std::size_t>(k * extent.width * channels + x)]; }));
  return out;
}

/// Two dark and two bright squares, as Pillow's own tests have them.
Picture squares(std::int64_t side, std::uint8_t colour) {
  Bytes samples;
  for (std::int64_t y = 0; y < side; ++y)
    for (std::int64_t x = 0; x < side; ++x)
      samples.push_back((y < side / 2) == (x < side / 2) ? colour : static_cast<std::uint8_t>(255 - colour));
  return {{side, side}, 1, samples, 0.0F, 255.0F};
}

/// The top left quarter of the resized squares, in hexadecimal numbers; the others follow from it.
void expect_quarter(std::int64_t side, std::int64_t size, ResizeFilter filter, const std::vector<int>& quarter) {
  const Picture resized = resize(squares(side, 0xe1), {size, size}, filter);
  const Bytes& samples = std::get<Bytes>(resized.samples);
  const std::int64_t half = size / 2;
  for (std::int64_t y = 0; y < half; ++y) {
    for (std::int64_t x = 0; x < half; ++x) {
      const int expected = quarter[static_cast<std::size_t>(y * half + x)];
      const auto at = [&](std::int64_t row, std::int64_t column) {
        return static_cast<int>(samples[static_cast<std::size_t>(row * size + column)]);
      };
      EXPECT_EQ(at(y, x), expected) << y << ", " << x;
      EXPECT_EQ(at(size - 1 - y, size - 1 - x), expected) << y << ", " << x;
      EXPECT_EQ(at(y, size - 1 - x), 255 - expected) << y << ", " << x;
      EXPECT_EQ(at(size - 1 - y, x), 255 - expected) << y << ", " << x;
    }
  }
}

// The figures are those of Pillow's Tests/test_image_resample.py.
TEST(Resize, HasPillowsValues) {
  expect_quarter(8, 4, ResizeFilter::box, {0xe1, 0xe1, 0xe1, 0xe1});
  expect_quarter(8, 4, ResizeFilter::bilinear, {0xe1, 0xc9, 0xc9, 0xb7});
  expect_quarter(8, 4, ResizeFilter::hamming, {0xe1, 0xda, 0xda, 0xd3});
  expect_quarter(12, 6, ResizeFilter::bicubic, {0xe1, 0xe3, 0xd4, 0xe3, 0xe5, 0xd6, 0xd4, 0xd6, 0xc9});
  expect_quarter(16, 8, ResizeFilter::lanczos,
                 {0xe1, 0xe0, 0xe4, 0xd7, 0xe0, 0xdf, 0xe3, 0xd6, 0xe4, 0xe3, 0xe7, 0xda, 0xd7, 0xd6, 0xd9, 0xce});
  expect_quarter(2, 4, ResizeFilter::box, {0xe1, 0xe1, 0xe1, 0xe1});
  expect_quarter(2, 4, ResizeFilter::bilinear, {0xe1, 0xb0, 0xb0, 0x98});
  expect_quarter(2, 4, ResizeFilter::hamming, {0xe1, 0xd2, 0xd2, 0xc5});
  expect_quarter(4, 8, ResizeFilter::bicubic,
                 {0xe1, 0xe5, 0xee, 0xb9, 0xe5, 0xe9, 0xf3, 0xbc, 0xee, 0xf3, 0xfd, 0xc1, 0xb9, 0xbc, 0xc1, 0xa2});
  expect_quarter(
      6, 12, ResizeFilter::lanczos,
      {0xe1, 0xe0, 0xdb, 0xed, 0xf5, 0xb8, 0xe0, 0xdf, 0xda, 0xec, 0xf3, 0xb7, 0xdb, 0xdb, 0xd6, 0xe7, 0xee, 0xb5,
       0xed, 0xec, 0xe6, 0xfb, 0xff, 0xbf, 0xf5, 0xf4, 0xee, 0xff, 0xff, 0xc4, 0xb8, 0xb7, 0xb4, 0xbf, 0xc4, 0xa0});
}

TEST(Resize, IsTheTwoPassesOneSampleAfterTheOther) {
  constexpr ResizeFilter kFilters[] = {ResizeFilter::lanczos, ResizeFilter::bilinear, ResizeFilter::bicubic,
                                       ResizeFilter::box, ResizeFilter::hamming};
  constexpr ImageExtent kExtents[][2] = {
      {{75, 100}, {32, 32}}, {{33, 17}, {70, 9}},    {{31, 64}, {31, 20}}, {{40, 21}, {13, 21}},  {{1, 1}, {5, 3}},
      {{50, 3}, {1, 1}},     {{64, 130}, {64, 131}}, {{2, 300}, {7, 11}},  {{211, 33}, {90, 20}}, {{200, 30}, {7, 41}}};
  std::uint64_t seed = 0;
  for (const ResizeFilter filter : kFilters)
    for (const auto& [from, to] : kExtents)
      for (const std::int64_t channels : {1, 3}) {
        const Picture picture = noise(from, channels, ++seed);
        const PixelBox whole{0.0F, 0.0F, static_cast<float>(from.width), static_cast<float>(from.height)};
        EXPECT_EQ(std::get<Bytes>(resize(picture, to, filter).samples), resized_naively(picture, to, filter, whole))
            << static_cast<int>(filter) << ": " << from.width << " x " << from.height << " to " << to.width << " x "
            << to.height << ", " << channels;
      }
}

// The box filter leaves a line between two outputs that neither counts, here where the lines made so far end. Rows of a
// part begin elsewhere, and so do the blocks of lines.
TEST(Resize, PassesOverLinesThatNoOutputCounts) {
  constexpr std::int64_t kHeights[][2] = {{193, 96},  {376, 96},  {428, 96},  {449, 224},
                                          {516, 224}, {726, 224}, {428, 384}, {440, 384}};
  std::uint64_t seed = 100;
  for (const auto& [from, to] : kHeights) {
    const Picture picture = noise({from, 5}, 3, ++seed);
    const PixelBox whole{0.0F, 0.0F, 5.0F, static_cast<float>(from)};
    const Picture resized = resize(picture, {to, 3}, ResizeFilter::box);
    EXPECT_EQ(std::get<Bytes>(resized.samples), resized_naively(picture, {to, 3}, ResizeFilter::box, whole)) << from;
    for (std::int64_t top = 1; top < to; top += 7) {
      const PixelRectangle part{top, 1, {to - top, 2}};
      EXPECT_EQ(resized_part(picture, {to, 3}, ResizeFilter::box, part).samples, crop(resized, part).samples)
          << from << ", from " << top;
    }
  }
}

TEST(Resize, OfABoxCountsWhatLiesAroundIt) {
  const Picture picture = noise({40, 50}, 3, 7);
  for (const PixelBox box : {PixelBox{3.5F, 0.25F, 41.75F, 39.5F}, PixelBox{10.0F, 5.0F, 30.0F, 25.0F}}) {
    EXPECT_EQ(std::get<Bytes>(resize(picture, {20, 20}, ResizeFilter::bicubic, box).samples),
              resized_naively(picture, {20, 20}, ResizeFilter::bicubic, box));
  }
  EXPECT_NE(resize(picture, {20, 20}, ResizeFilter::bicubic, PixelBox{10.0F, 5.0F, 31.0F, 26.0F}).samples,
            resized_crop(picture, {5, 10, {21, 21}}, {20, 20}, ResizeFilter::bicubic).samples);
}

TEST(Resize, OfACropIsThatOfAPictureOfItsOwn) {
  const Picture picture = noise({40, 50}, 3, 8);
  const PixelRectangle from{4, 9, {30, 33}};
  for (const ResizeFilter filter : {ResizeFilter::nearest, ResizeFilter::bilinear, ResizeFilter::lanczos})
    for (const ImageExtent to : {ImageExtent{24, 24}, ImageExtent{30, 20}, ImageExtent{44, 33}, ImageExtent{30, 33}})
      EXPECT_EQ(resized_crop(picture, from, to, filter).samples, resize(crop(picture, from), to, filter).samples);
}

TEST(Resize, OfAPartIsThePartOfTheWhole) {
  for (const std::int64_t channels : {1, 3}) {
    const Picture picture = noise({60, 91}, channels, 9);
    for (const ResizeFilter filter : {ResizeFilter::nearest, ResizeFilter::bilinear, ResizeFilter::bicubic})
      for (const ImageExtent to :
           {ImageExtent{32, 48}, ImageExtent{60, 48}, ImageExtent{32, 91}, ImageExtent{60, 91}}) {
        const PixelRectangle part{4, 8, {24, 32}};
        EXPECT_EQ(resized_part(picture, to, filter, part).samples, crop(resize(picture, to, filter), part).samples);
        for (const PixelRectangle& beyond : {PixelRectangle{-3, 10, {20, 100}}, PixelRectangle{25, -7, {50, 20}},
                                             PixelRectangle{-5, -5, {4, 4}}, PixelRectangle{70, 100, {2, 3}}})
          EXPECT_EQ(resized_part(picture, to, filter, beyond).samples,
                    crop(resize(picture, to, filter), beyond).samples);
      }
  }
}

TEST(Resize, HasTheSameBitsOnEveryInstructionSet) {
  for (const std::int64_t channels : {1, 3}) {
    const Picture bytes = noise({75, 93}, channels, 14);
    const std::vector<Picture> pictures = {bytes, as<WideSamples>(bytes, 253.0F, 65535.0F),
                                           as<Floats>(bytes, 0.37F, 94.0F)};
    for (const Picture& picture : pictures) {
      const Picture expected = resize(picture, {31, 45}, ResizeFilter::lanczos);
      for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
        hwy::SetSupportedTargetsForTest(target);
        EXPECT_EQ(resize(picture, {31, 45}, ResizeFilter::lanczos).samples, expected.samples)
            << hwy::TargetName(target);
        hwy::SetSupportedTargetsForTest(0);
      }
    }
  }
}

TEST(Resize, LineByLineIsTheSame) {
  const Picture picture = noise({90, 61}, 3, 13);
  for (const ResizeFilter filter : {ResizeFilter::nearest, ResizeFilter::bilinear, ResizeFilter::lanczos})
    for (const ImageExtent to : {ImageExtent{40, 48}, ImageExtent{90, 48}, ImageExtent{40, 61}, ImageExtent{90, 61}}) {
      const PixelRectangle part{3, 5, {30, 40}};
      Bytes lines;
      std::int64_t rows = 0;
      for_each_resized_line(picture, to, filter, part, [&](std::int64_t row, std::span<const std::uint8_t> line) {
        EXPECT_EQ(row, rows++);
        lines.insert(lines.end(), line.begin(), line.end());
      });
      EXPECT_EQ(lines, std::get<Bytes>(resized_part(picture, to, filter, part).samples));
    }
  EXPECT_THROW(for_each_resized_line(as<Floats>(picture, 1.0F, 255.0F), {2, 2}, ResizeFilter::box, {0, 0, {2, 2}},
                                     [](std::int64_t, std::span<const std::uint8_t>) {}),
               Error);
}

TEST(Resize, TakesTheNearestSample) {
  const Picture picture{{1, 5}, 1, Bytes{10, 20, 30, 40, 50}, 0.0F, 255.0F};
  EXPECT_EQ(std::get<Bytes>(resize(picture, {1, 3}, ResizeFilter::nearest).samples), (Bytes{10, 30, 50}));
  EXPECT_EQ(std::get<Bytes>(resize(picture, {2, 7}, ResizeFilter::nearest).samples),
            (Bytes{10, 20, 20, 30, 40, 40, 50, 10, 20, 20, 30, 40, 40, 50}));
  EXPECT_EQ(std::get<Bytes>(resize(picture, {1, 2}, ResizeFilter::nearest, PixelBox{1.0F, 0.0F, 5.0F, 1.0F}).samples),
            (Bytes{30, 50}));
}

TEST(Resize, OfOtherTypesIsThatOfBytesInTheirRange) {
  for (const std::int64_t channels : {1, 3}) {
    const Picture bytes = noise({45, 52}, channels, 10);
    for (const ImageExtent to : {ImageExtent{20, 20}, ImageExtent{45, 20}, ImageExtent{60, 71}}) {
      const Picture expected = resize(bytes, to, ResizeFilter::bilinear);
      const Picture words = resize(as<WideSamples>(bytes, 256.0F, 65280.0F), to, ResizeFilter::bilinear);
      const Picture floats = resize(as<Floats>(bytes, 1.0F, 255.0F), to, ResizeFilter::bilinear);
      EXPECT_EQ(words.white, 65280.0F);
      for (std::size_t i = 0; i < std::get<Bytes>(expected.samples).size(); ++i) {
        // Between the passes bytes are rounded.
        const float byte = std::get<Bytes>(expected.samples)[i];
        EXPECT_NEAR(std::get<Floats>(floats.samples)[i], byte, 1.01F);
        EXPECT_NEAR(std::get<WideSamples>(words.samples)[i], std::get<Floats>(floats.samples)[i] * 256.0F, 1.0F);
      }
    }
  }
}

TEST(Resize, OfFloatsIsThatOfDoublesInOrder) {
  const Picture picture = as<Floats>(noise({37, 41}, 1, 11), 3.0F, 765.0F);
  const Floats& in = std::get<Floats>(picture.samples);
  const Picture resized = resize(picture, {13, 50}, ResizeFilter::lanczos);
  const FilterWeights along = filter_weights(ResizeFilter::lanczos, 41, 0.0F, 41.0F, 50, 0, 50);
  const FilterWeights down = filter_weights(ResizeFilter::lanczos, 37, 0.0F, 37.0F, 13, 0, 13);
  for (std::size_t y = 0; y < 13; ++y)
    for (std::size_t x = 0; x < 50; ++x) {
      double sum = 0.0;
      for (int j = 0; j < down.counts[y]; ++j)
        for (int k = 0; k < along.counts[x]; ++k)
          sum += down.values[y * static_cast<std::size_t>(down.longest) + static_cast<std::size_t>(j)] *
                 along.values[x * static_cast<std::size_t>(along.longest) + static_cast<std::size_t>(k)] *
                 static_cast<double>(in[static_cast<std::size_t>((down.first[y] + j) * 41 + along.first[x] + k)]);
      EXPECT_NEAR(std::get<Floats>(resized.samples)[y * 50 + x], sum, 1e-3);
    }
}

TEST(Resize, KeepsFlatPicturesFlat) {
  for (const auto filter : {ResizeFilter::lanczos, ResizeFilter::bicubic, ResizeFilter::bilinear, ResizeFilter::box}) {
    const Picture white = resize({{9, 512}, 1, Bytes(9 * 512, 255), 0.0F, 255.0F}, {512, 9}, filter);
    EXPECT_EQ(std::get<Bytes>(white.samples), Bytes(9 * 512, 255));
    const Picture most = resize({{9, 512}, 1, WideSamples(9 * 512, 65535), 0.0F, 65535.0F}, {512, 9}, filter);
    EXPECT_EQ(std::get<WideSamples>(most.samples), WideSamples(9 * 512, 65535));
  }
}

TEST(Resize, SaysWhatIsWrong) {
  const Picture picture = noise({4, 5}, 1, 12);
  EXPECT_THROW(resize(picture, {0, 3}, ResizeFilter::bilinear), Error);
  EXPECT_THROW(resize(picture, {3, 3}, ResizeFilter::bilinear, PixelBox{0.0F, 0.0F, 5.5F, 4.0F}), Error);
  EXPECT_THROW(resize(picture, {3, 3}, ResizeFilter::bilinear, PixelBox{2.0F, 0.0F, 2.0F, 4.0F}), Error);
  EXPECT_THROW(resized_part(picture, {3, 3}, ResizeFilter::bilinear, {1, 0, {0, 3}}), Error);
  EXPECT_THROW(resized_part(picture, {0, 3}, ResizeFilter::bilinear, {1, 0, {2, 3}}), Error);
  EXPECT_THROW(resized_crop(picture, {0, 2, {4, 4}}, {3, 3}, ResizeFilter::bilinear), Error);
  EXPECT_THROW(crop(picture, {0, 0, {0, 4}}), Error);
}

TEST(Crop, IsBlackOutsideThePicture) {
  const Picture picture{{2, 2}, 1, WideSamples{1, 2, 3, 4}, 7.0F, 9.0F};
  EXPECT_EQ(std::get<WideSamples>(crop(picture, {-1, 1, {3, 2}}).samples), (WideSamples{7, 7, 2, 7, 4, 7}));
  EXPECT_EQ(std::get<WideSamples>(crop(picture, {1, 0, {1, 2}}).samples), (WideSamples{3, 4}));
  EXPECT_EQ(std::get<WideSamples>(crop(picture, {5, -9, {1, 2}}).samples), (WideSamples{7, 7}));
}

}  // namespace
}  // namespace temper
