#include "data/images/image_processor.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/error.h"
#include "data/images/colour.h"

namespace temper {
namespace {

/// Rounded down, also below zero.
std::int64_t half_of(std::int64_t value) { return value >= 0 ? value / 2 : -((1 - value) / 2); }

Picture fitted_in_range(const Picture& picture, const ImageProcessor& processor) {
  const ImageExtent whole = resized_extent(picture.extent, processor);
  if (processor.crop.pixels() == 0) {
    if (whole != processor.size)
      throw Error("a picture has {} x {} pixels, the model takes {} x {}; {} says that pictures are not resized",
                  whole.width, whole.height, processor.size.width, processor.size.height, processor.source);
    return resize(picture, whole, processor.filter);
  }
  const PixelRectangle kept{half_of(whole.height - processor.crop.height), half_of(whole.width - processor.crop.width),
                            processor.crop};
  if (kept.top >= 0 && kept.left >= 0) return resized_part(picture, whole, processor.filter, kept);
  return crop(resize(picture, whole, processor.filter), kept);
}

/// The value of a channel's mean or deviation.
float channel_value(const std::vector<double>& values, std::int64_t channel, std::int64_t channels,
                    const ImageProcessor& processor) {
  const bool all_equal = std::adjacent_find(values.begin(), values.end(), std::not_equal_to<>()) == values.end();
  if (all_equal) return static_cast<float>(values.front());
  if (std::cmp_not_equal(values.size(), channels))
    throw Error(
        "{} has {} values of mean or deviation that differ, the model sees {} {}; expected one value, or one per "
        "channel",
        processor.source, values.size(), channels, channels == 1 ? "channel" : "channels");
  return static_cast<float>(values[static_cast<std::size_t>(channel)]);
}

/// From a sample to what the model sees of a channel, in the steps in which transformers rounds.
struct Normalization {
  double black;
  double factor;  ///< makes white 255
  double scale;
  float mean = 0.0F;
  float deviation = 1.0F;

  [[nodiscard]] float operator()(double sample) const {
    const double byte = std::clamp((sample - black) * factor, 0.0, 255.0);
    const auto scaled = static_cast<float>(byte * scale);
    return (scaled - mean) / deviation;
  }
};

Normalization normalization_of(const Picture& picture, const ImageProcessor& processor, std::int64_t channel,
                               std::int64_t channels) {
  const double range = static_cast<double>(picture.white) - static_cast<double>(picture.black);
  Normalization made{picture.black, range == 0.0 ? 0.0 : 255.0 / range, processor.scale};
  if (!processor.mean.empty()) made.mean = channel_value(processor.mean, channel, channels, processor);
  if (!processor.deviation.empty()) made.deviation = channel_value(processor.deviation, channel, channels, processor);
  return made;
}

/// Every second argument `step` samples after the other: a channel of the picture to a channel of `out`.
template <typename Sample>
void normalize_channel(const Sample* samples, std::int64_t step, std::int64_t pixels, const Normalization& by,
                       float* out, std::int64_t out_step) {
  if constexpr (std::is_same_v<Sample, std::uint8_t>) {
    std::array<float, 256> values;
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = by(static_cast<double>(i));
    for (std::int64_t i = 0; i < pixels; ++i) out[i * out_step] = values[samples[i * step]];
  } else {
    for (std::int64_t i = 0; i < pixels; ++i) out[i * out_step] = by(static_cast<double>(samples[i * step]));
  }
}

}  // namespace

ImageExtent resized_extent(ImageExtent extent, const ImageProcessor& processor) {
  switch (processor.resize_rule) {
    case ResizeRule::exact:
      return processor.size;
    case ResizeRule::shortest_edge: {
      const auto [shorter, longer] = std::minmax(extent.height, extent.width);
      const auto other =
          static_cast<std::int64_t>(static_cast<double>(processor.edge * longer) / static_cast<double>(shorter));
      return extent.width <= extent.height ? ImageExtent{other, processor.edge} : ImageExtent{processor.edge, other};
    }
    case ResizeRule::none:
      break;
  }
  return extent;
}

Picture fitted(const Picture& picture, const ImageProcessor& processor) {
  if (std::holds_alternative<std::vector<std::uint8_t>>(picture.samples) && picture.black == 0.0F &&
      picture.white == 255.0F)
    return fitted_in_range(picture, processor);
  return fitted_in_range(in_byte_range(picture), processor);
}

void normalize_pixels(const Picture& picture, const ImageProcessor& processor, std::int64_t channels,
                      std::span<float> out) {
  if (channels != 1 && channels != 3)
    throw Error("the model sees {} channels, expected 1 (grey) or 3 (red, green, blue)", channels);
  if (picture.channels != 1 && picture.channels != 3)
    throw Error("a picture has {} channels, expected 1 (grey) or 3 (red, green, blue)", picture.channels);
  const ImageExtent extent = processor.extent();
  if (picture.extent != extent || std::cmp_not_equal(out.size(), extent.pixels() * channels))
    throw Error("a picture of {} x {} pixels was to become {} values, expected {} x {} pixels and {} values",
                picture.extent.width, picture.extent.height, out.size(), extent.width, extent.height,
                extent.pixels() * channels);
  if (picture.channels > channels) return normalize_pixels(grey_picture(picture), processor, channels, out);
  std::visit(
      [&](const auto& samples) {
        for (std::int64_t c = 0; c < channels; ++c)
          normalize_channel(samples.data() + std::min(c, picture.channels - 1), picture.channels,
                            picture.extent.pixels(), normalization_of(picture, processor, c, channels), out.data() + c,
                            channels);
      },
      picture.samples);
}

void to_pixels(const Picture& picture, const ImageProcessor& processor, std::int64_t channels, std::span<float> out) {
  if (channels == 1 && picture.channels == 3)
    return normalize_pixels(fitted(grey_picture(picture), processor), processor, channels, out);
  normalize_pixels(fitted(picture, processor), processor, channels, out);
}

}  // namespace temper
