#include "data/images/colour.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <type_traits>
#include <utility>
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

Picture in_byte_range(const Picture& picture) {
  if (std::holds_alternative<std::vector<std::uint8_t>>(picture.samples) && picture.black == 0.0F &&
      picture.white == 255.0F)
    return picture;
  const double black = picture.black;
  const double range = static_cast<double>(picture.white) - black;
  const double factor = range == 0.0 ? 0.0 : 255.0 / range;
  std::vector<float> values;
  values.reserve(static_cast<std::size_t>(picture.values()));
  std::visit(
      [&](const auto& samples) {
        for (const auto sample : samples) {
          const double value = (static_cast<double>(sample) - black) * factor;
          values.push_back(value > 0.0 ? static_cast<float>(std::min(value, 255.0)) : 0.0F);
        }
      },
      picture.samples);
  return {picture.extent, picture.channels, std::move(values), 0.0F, 255.0F};
}

Picture byte_picture(const Picture& picture) {
  Picture made = in_byte_range(picture);
  if (const auto* values = std::get_if<std::vector<float>>(&made.samples)) {
    std::vector<std::uint8_t> bytes;
    bytes.reserve(values->size());
    for (const float value : *values) bytes.push_back(static_cast<std::uint8_t>(value + 0.5F));
    made.samples = std::move(bytes);
  }
  return made;
}

}  // namespace temper
