#include "data/images/image_processor.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/error.h"
#include "data/images/colour.h"

namespace temper {
namespace {

/// Rounded down, also below zero.
std::int64_t half_of(std::int64_t value) { return value >= 0 ? value / 2 : -((1 - value) / 2); }

PixelRectangle kept_middle(ImageExtent whole, ImageExtent kept, const ImageProcessor& processor) {
  const auto before = [&](std::int64_t left_over) {
    const std::int64_t half = half_of(left_over);
    const bool is_between = left_over % 2 != 0;
    return half + (processor.timm_share > 0.0 && is_between && half % 2 != 0 ? 1 : 0);
  };
  return {before(whole.height - kept.height), before(whole.width - kept.width), kept};
}

/// Bytes from black to white, as in_byte_range leaves them.
bool is_byte_range(const Picture& picture) {
  return std::holds_alternative<std::vector<std::uint8_t>>(picture.samples) && picture.black == 0.0F &&
         picture.white == 255.0F;
}

Picture fitted_in_range(const Picture& picture, const ImageProcessor& processor) {
  const ImageExtent whole = resized_extent(picture.extent, processor);
  if (processor.crop.pixels() == 0) {
    if (whole != processor.size)
      throw Error("a picture has {} x {} pixels, the model takes {} x {}; {} says that pictures are not resized",
                  whole.width, whole.height, processor.size.width, processor.size.height, processor.source);
    return resize(picture, whole, processor.filter);
  }
  return resized_part(picture, whole, processor.filter, kept_middle(whole, processor.crop, processor));
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

/// Lines of bytes to what the model sees of them, by tables.
class ByteNormalizer {
 public:
  ByteNormalizer(const Picture& picture, const ImageProcessor& processor, std::int64_t channels)
      : values_(static_cast<std::size_t>(channels)), repeats_(picture.channels < channels) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const Normalization by = normalization_of(picture, processor, c, channels);
      for (std::size_t i = 0; i < 256; ++i) values_[static_cast<std::size_t>(c)][i] = by(static_cast<double>(i));
    }
  }

  /// out [pixels, channels]
  void operator()(std::span<const std::uint8_t> samples, float* out) const {
    if (values_.size() == 1) {
      for (const std::uint8_t sample : samples) *out++ = values_[0][sample];
      return;
    }
    const auto& [red, green, blue] = std::tie(values_[0], values_[1], values_[2]);
    const std::size_t step = repeats_ ? 1 : 3;
    const std::size_t other = repeats_ ? 0 : 1;
    for (std::size_t i = 0; i < samples.size(); i += step, out += 3) {
      out[0] = red[samples[i]];
      out[1] = green[samples[i + other]];
      out[2] = blue[samples[i + 2 * other]];
    }
  }

 private:
  std::vector<std::array<float, 256>> values_;  ///< [channels] of each byte
  bool repeats_;                                ///< a grey sample is all channels
};

/// Every `step`th sample: a channel of the picture to a channel of `out`.
template <typename Sample>
void normalize_channel(const Sample* samples, std::int64_t step, std::int64_t pixels, const Normalization& by,
                       float* out, std::int64_t out_step) {
  for (std::int64_t i = 0; i < pixels; ++i) out[i * out_step] = by(static_cast<double>(samples[i * step]));
}

void check_channels(const Picture& picture, std::int64_t channels) {
  if (channels != 1 && channels != 3)
    throw Error("the model sees {} channels, expected 1 (grey) or 3 (red, green, blue)", channels);
  if (picture.channels != 1 && picture.channels != 3)
    throw Error("a picture has {} channels, expected 1 (grey) or 3 (red, green, blue)", picture.channels);
}

void check_values(std::size_t values, ImageExtent extent, std::int64_t channels) {
  if (std::cmp_not_equal(values, extent.pixels() * channels))
    throw Error("a picture was to become {} values, expected {} ({} x {} pixels of {} channels)", values,
                extent.pixels() * channels, extent.width, extent.height, channels);
}

}  // namespace

double cut_share(ImageExtent extent, const ImageProcessor& processor) {
  if (processor.crop.pixels() == 0 || extent.pixels() == 0) return 0.0;
  const ImageExtent whole = resized_extent(extent, processor);
  const std::int64_t kept = std::min(whole.height, processor.crop.height) * std::min(whole.width, processor.crop.width);
  return 1.0 - static_cast<double>(kept) / static_cast<double>(whole.pixels());
}

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
  if (is_byte_range(picture)) return fitted_in_range(picture, processor);
  return fitted_in_range(in_byte_range(picture), processor);
}

void normalize_pixels(const Picture& picture, const ImageProcessor& processor, std::int64_t channels,
                      std::span<float> out) {
  check_channels(picture, channels);
  const ImageExtent extent = processor.extent();
  check_values(out.size(), extent, channels);
  if (picture.extent != extent)
    throw Error("a picture has {} x {} pixels, the model takes {} x {}", picture.extent.width, picture.extent.height,
                extent.width, extent.height);
  if (picture.channels > channels) return normalize_pixels(grey_picture(picture), processor, channels, out);
  if (const auto* bytes = std::get_if<std::vector<std::uint8_t>>(&picture.samples))
    return ByteNormalizer(picture, processor, channels)(*bytes, out.data());
  std::visit(
      [&](const auto& samples) {
        for (std::int64_t c = 0; c < channels; ++c)
          normalize_channel(samples.data() + std::min(c, picture.channels - 1), picture.channels, extent.pixels(),
                            normalization_of(picture, processor, c, channels), out.data() + c, channels);
      },
      picture.samples);
}

void to_pixels(const Picture& picture, const ImageProcessor& processor, std::int64_t channels, std::span<float> out) {
  check_channels(picture, channels);
  if (channels < picture.channels) return to_pixels(grey_picture(picture), processor, channels, out);
  const ImageExtent whole = resized_extent(picture.extent, processor);
  const ImageExtent extent = processor.extent();
  const PixelRectangle kept = kept_middle(whole, extent, processor);
  const bool is_whole =
      is_byte_range(picture) && kept.top >= 0 && kept.left >= 0 && (processor.crop.pixels() > 0 || whole == extent);
  if (!is_whole) return normalize_pixels(fitted(picture, processor), processor, channels, out);
  // What nearly all pictures are: each line is normalised while it is in the cache.
  check_values(out.size(), extent, channels);
  const ByteNormalizer normalize(picture, processor, channels);
  for_each_resized_line(picture, whole, processor.filter, kept,
                        [&](std::int64_t row, std::span<const std::uint8_t> line) {
                          normalize(line, out.data() + row * extent.width * channels);
                        });
}

}  // namespace temper
