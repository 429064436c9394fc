#include "data/images/geometry.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace temper {
namespace {

/// Decimals that Pillow keeps of sines, so that a quarter turn is one.
double rounded_sine(double value) { return std::nearbyint(value * 1e15) / 1e15; }

template <typename Sample>
void take_nearest_pixels(const std::vector<Sample>& in, const Picture& picture, const AffineMap& map,
                         std::vector<Sample>& out) {
  const auto fixed = [](double value) { return static_cast<std::int64_t>(std::floor(value * 65536.0 + 0.5)); };
  std::int64_t line_x = fixed(map[2] + map[0] * 0.5 + map[1] * 0.5);
  std::int64_t line_y = fixed(map[5] + map[3] * 0.5 + map[4] * 0.5);
  const std::int64_t channels = picture.channels;
  Sample* to = out.data();
  for (std::int64_t row = 0; row < picture.extent.height; ++row) {
    std::int64_t at_x = line_x;
    std::int64_t at_y = line_y;
    for (std::int64_t column = 0; column < picture.extent.width; ++column, to += channels) {
      const std::int64_t x = at_x >> 16;
      const std::int64_t y = at_y >> 16;
      if (x >= 0 && x < picture.extent.width && y >= 0 && y < picture.extent.height)
        std::copy_n(in.data() + (y * picture.extent.width + x) * channels, channels, to);
      at_x += fixed(map[0]);
      at_y += fixed(map[3]);
    }
    line_x += fixed(map[1]);
    line_y += fixed(map[4]);
  }
}

template <typename Sample>
void interpolate_pixels(const std::vector<Sample>& in, const Picture& picture, const AffineMap& map,
                        std::vector<Sample>& out) {
  const std::int64_t width = picture.extent.width;
  const std::int64_t height = picture.extent.height;
  const std::int64_t channels = picture.channels;
  Sample* to = out.data();
  for (std::int64_t row = 0; row < height; ++row) {
    for (std::int64_t column = 0; column < width; ++column, to += channels) {
      const double out_x = static_cast<double>(column) + 0.5;
      const double out_y = static_cast<double>(row) + 0.5;
      double x = map[0] * out_x + map[1] * out_y + map[2];
      double y = map[3] * out_x + map[4] * out_y + map[5];
      if (!(x >= 0.0 && x < static_cast<double>(width) && y >= 0.0 && y < static_cast<double>(height))) continue;
      x -= 0.5;
      y -= 0.5;
      const auto left = static_cast<std::int64_t>(std::floor(x));
      const auto top = static_cast<std::int64_t>(std::floor(y));
      const double part_x = x - static_cast<double>(left);
      const double part_y = y - static_cast<double>(top);
      const auto pixel = [&](std::int64_t at_y, std::int64_t at_x) {
        return in.data() +
               (std::clamp(at_y, std::int64_t{0}, height - 1) * width + std::clamp(at_x, std::int64_t{0}, width - 1)) *
                   channels;
      };
      const Sample* corners[4] = {pixel(top, left), pixel(top, left + 1), pixel(top + 1, left),
                                  pixel(top + 1, left + 1)};
      for (std::int64_t c = 0; c < channels; ++c) {
        const auto between = [&](const Sample* a, const Sample* b) {
          const auto first = static_cast<double>(a[c]);
          return first + (static_cast<double>(b[c]) - first) * part_x;
        };
        const double upper = between(corners[0], corners[1]);
        const double lower = between(corners[2], corners[3]);
        to[c] = static_cast<Sample>(upper + (lower - upper) * part_y);
      }
    }
  }
}

}  // namespace

Picture mirrored(const Picture& picture) {
  Picture made = picture;
  std::visit(
      [&](auto& samples) {
        for (std::int64_t row = 0; row < picture.extent.height; ++row) {
          auto* line = samples.data() + row * picture.extent.width * picture.channels;
          for (std::int64_t x = 0, other = picture.extent.width - 1; x < other; ++x, --other)
            std::swap_ranges(line + x * picture.channels, line + (x + 1) * picture.channels,
                             line + other * picture.channels);
        }
      },
      made.samples);
  return made;
}

Picture upside_down(const Picture& picture) {
  Picture made = picture;
  const std::int64_t stride = picture.extent.width * picture.channels;
  std::visit(
      [&](auto& samples) {
        for (std::int64_t y = 0, other = picture.extent.height - 1; y < other; ++y, --other)
          std::swap_ranges(samples.data() + y * stride, samples.data() + (y + 1) * stride,
                           samples.data() + other * stride);
      },
      made.samples);
  return made;
}

AffineMap rotation_map(ImageExtent extent, double degrees) {
  const double angle = -degrees * std::numbers::pi / 180.0;
  const double cosine = rounded_sine(std::cos(angle));
  const double sine = rounded_sine(std::sin(angle));
  const double x = static_cast<double>(extent.width) / 2.0;
  const double y = static_cast<double>(extent.height) / 2.0;
  return {cosine, sine, cosine * -x + sine * -y + x, -sine, cosine, -sine * -x + cosine * -y + y};
}

Picture transformed(const Picture& picture, const AffineMap& map, Sampling sampling) {
  Picture made{picture.extent, picture.channels, {}, picture.black, picture.white};
  std::visit(
      [&](const auto& samples) {
        using Samples = std::decay_t<decltype(samples)>;
        Samples out(samples.size(), static_cast<typename Samples::value_type>(picture.black));
        if (sampling == Sampling::nearest)
          take_nearest_pixels(samples, picture, map, out);
        else
          interpolate_pixels(samples, picture, map, out);
        made.samples = std::move(out);
      },
      picture.samples);
  return made;
}

}  // namespace temper
