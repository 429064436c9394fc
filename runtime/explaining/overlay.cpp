#include "runtime/explaining/overlay.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "data/images/colour.h"
#include "data/images/contact_sheet.h"
#include "data/images/resize.h"

namespace temper {
namespace {

constexpr std::int64_t kLeastSide = 320;  ///< of the longer edge: words fit beneath
constexpr std::int64_t kMostSide = 640;
constexpr std::int64_t kBarGap = 6;
constexpr std::int64_t kBarWidth = 16;
constexpr double kMostCovering = 0.72;  ///< how much of the most marked place is colour
constexpr double kDimmed = 0.35;        ///< brightness of what the model has not seen
constexpr std::uint8_t kBarGround = 96;

using Colour = std::array<double, 3>;

/// Nine colours of matplotlib's "inferno" (van der Walt, Smith, 2015; CC0), evenly apart: brighter is more, for any
/// colour vision.
constexpr std::array<Colour, 9> kColours{{{0, 0, 4},
                                          {31, 12, 72},
                                          {85, 15, 109},
                                          {136, 34, 106},
                                          {186, 54, 85},
                                          {227, 89, 51},
                                          {249, 140, 10},
                                          {249, 201, 50},
                                          {252, 255, 164}}};

/// Of a value of 0 to 1.
Colour colour_of(double value) {
  const double at = std::clamp(value, 0.0, 1.0) * static_cast<double>(kColours.size() - 1);
  const auto first = std::min(static_cast<std::size_t>(at), kColours.size() - 2);
  Colour colour{};
  for (std::size_t c = 0; c < colour.size(); ++c)
    colour[c] = kColours[first][c] + (at - static_cast<double>(first)) * (kColours[first + 1][c] - kColours[first][c]);
  return colour;
}

/// Puts a value over a pixel: the more there is, the less of the pixel shows.
void cover(std::span<std::uint8_t> pixel, double value) {
  const double covering = kMostCovering * std::clamp(value, 0.0, 1.0);
  const Colour colour = colour_of(value);
  for (std::size_t c = 0; c < colour.size(); ++c)
    pixel[c] = static_cast<std::uint8_t>(std::lround(pixel[c] + covering * (colour[c] - pixel[c])));
}

/// Where the model saw a picture, as shares of its height and width; it may reach beyond them.
struct SeenPart {
  double top = 0.0;
  double left = 0.0;
  double height = 1.0;
  double width = 1.0;
};

SeenPart seen_part(ImageExtent picture, const ImageProcessor& processor) {
  if (processor.crop.pixels() == 0) return {};
  const ImageExtent whole = resized_extent(picture, processor);
  const auto share = [](std::int64_t cut, std::int64_t side) {
    return static_cast<double>(cut) / static_cast<double>(side);
  };
  const double height = share(processor.crop.height, whole.height);
  const double width = share(processor.crop.width, whole.width);
  return {(1.0 - height) / 2.0, (1.0 - width) / 2.0, height, width};
}

/// The picture for a screen: bytes, three channels, of a size that shows something.
Picture shown(const Picture& picture) {
  const Picture bytes = rgb_picture(byte_picture(picture));
  const std::int64_t longer = std::max(picture.extent.height, picture.extent.width);
  const std::int64_t side = std::clamp(longer, kLeastSide, kMostSide);
  if (side == longer) return bytes;
  const auto scaled = [&](std::int64_t edge) { return std::max<std::int64_t>(1, (edge * side + longer / 2) / longer); };
  return resize(bytes, {scaled(picture.extent.height), scaled(picture.extent.width)}, ResizeFilter::bilinear);
}

std::span<std::uint8_t> pixel_of(Picture& picture, std::int64_t row, std::int64_t column) {
  auto& samples = std::get<std::vector<std::uint8_t>>(picture.samples);
  return std::span(samples).subspan(static_cast<std::size_t>((row * picture.extent.width + column) * 3), 3);
}

/// With room at the right.
Picture widened(Picture& picture) {
  Picture wide;
  wide.extent = {picture.extent.height, picture.extent.width + kBarGap + kBarWidth};
  wide.channels = 3;
  wide.samples = std::vector<std::uint8_t>(static_cast<std::size_t>(wide.values()), 255);
  for (std::int64_t row = 0; row < picture.extent.height; ++row)
    for (std::int64_t column = 0; column < picture.extent.width; ++column) {
      const std::span<std::uint8_t> from = pixel_of(picture, row, column);
      std::copy(from.begin(), from.end(), pixel_of(wide, row, column).begin());
    }
  return wide;
}

}  // namespace

Picture overlay_sheet(const Picture& picture, const RelevanceMap& map, const ImageProcessor& processor,
                      const std::vector<std::string>& picture_words, const std::vector<std::string>& map_words) {
  Picture plain = shown(picture);
  const ImageExtent extent = plain.extent;
  Picture covered = widened(plain);
  const SeenPart seen = seen_part(picture.extent, processor);
  const double range = map.largest() - map.nothing;
  for (std::int64_t row = 0; row < extent.height; ++row)
    for (std::int64_t column = 0; column < extent.width; ++column) {
      const double y = ((static_cast<double>(row) + 0.5) / static_cast<double>(extent.height) - seen.top) / seen.height;
      const double x =
          ((static_cast<double>(column) + 0.5) / static_cast<double>(extent.width) - seen.left) / seen.width;
      const std::span<std::uint8_t> pixel = pixel_of(covered, row, column);
      if (y < 0.0 || y > 1.0 || x < 0.0 || x > 1.0) {
        for (std::uint8_t& sample : pixel) sample = static_cast<std::uint8_t>(std::lround(sample * kDimmed));
      } else if (range > 0.0) {
        cover(pixel, (map.at(y, x) - map.nothing) / range);
      }
    }
  for (std::int64_t row = 0; row < extent.height; ++row)
    for (std::int64_t column = 0; column < kBarWidth; ++column) {
      const std::span<std::uint8_t> pixel = pixel_of(covered, row, extent.width + kBarGap + column);
      std::fill(pixel.begin(), pixel.end(), kBarGround);
      cover(pixel, 1.0 - (static_cast<double>(row) + 0.5) / static_cast<double>(extent.height));
    }
  const std::array<ContactSheetCell, 2> cells{{{{plain}, picture_words}, {{covered}, map_words}}};
  ContactSheetLayout layout;
  layout.columns = 2;
  layout.side = std::max(covered.extent.height, covered.extent.width);
  layout.resizes = false;
  return contact_sheet(cells, layout);
}

}  // namespace temper
