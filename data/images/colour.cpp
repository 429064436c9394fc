#include "data/images/colour.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <type_traits>
#include <variant>
#include <vector>

namespace temper {

Picture grey_picture(const Picture& picture) {
  if (picture.channels == 1) return picture;
  Picture made{picture.extent, 1, {}, picture.black, picture.white};
  std::visit(
      [&](const auto& samples) {
        std::decay_t<decltype(samples)> grey(static_cast<std::size_t>(made.values()));
        const auto* pixel = samples.data();
        for (auto& sample : grey) {
          sample = grey_of(pixel[0], pixel[1], pixel[2]);
          pixel += picture.channels;
        }
        made.samples = std::move(grey);
      },
      picture.samples);
  return made;
}

Picture rgb_picture(const Picture& picture) {
  if (picture.channels == 3) return picture;
  Picture made{picture.extent, 3, {}, picture.black, picture.white};
  std::visit(
      [&](const auto& samples) {
        std::decay_t<decltype(samples)> colours;
        colours.reserve(static_cast<std::size_t>(made.values()));
        for (const auto sample : samples) colours.insert(colours.end(), 3, sample);
        made.samples = std::move(colours);
      },
      picture.samples);
  return made;
}

Picture byte_picture(const Picture& picture) {
  if (std::holds_alternative<std::vector<std::uint8_t>>(picture.samples) && picture.black == 0.0F &&
      picture.white == 255.0F)
    return picture;
  const double range = static_cast<double>(picture.white) - static_cast<double>(picture.black);
  const double factor = range == 0.0 ? 0.0 : 255.0 / range;
  std::vector<std::uint8_t> bytes;
  bytes.reserve(static_cast<std::size_t>(picture.values()));
  std::visit(
      [&](const auto& samples) {
        for (const auto sample : samples) {
          const double value = (static_cast<double>(sample) - static_cast<double>(picture.black)) * factor;
          // What is no number is black.
          bytes.push_back(value > 0.0 ? static_cast<std::uint8_t>(std::min(value, 255.0) + 0.5) : std::uint8_t{0});
        }
      },
      picture.samples);
  return {picture.extent, picture.channels, std::move(bytes), 0.0F, 255.0F};
}

}  // namespace temper
