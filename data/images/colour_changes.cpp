#include "data/images/colour_changes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "data/images/colour.h"

namespace temper {
namespace {

/// A value as a sample: bytes are cut off behind the point.
template <typename Sample>
Sample sample_of(float value) {
  return static_cast<Sample>(std::clamp(value, 0.0F, 255.0F));
}

/// The picture with each sample replaced by change(sample, its index).
template <typename Change>
Picture changed(const Picture& picture, Change change) {
  Picture made = picture;
  const auto change_all = [&](auto& samples) {
    for (std::size_t i = 0; i < samples.size(); ++i) samples[i] = change(samples[i], i);
  };
  if (auto* bytes = std::get_if<std::vector<std::uint8_t>>(&made.samples))
    change_all(*bytes);
  else
    change_all(std::get<std::vector<float>>(made.samples));
  return made;
}

/// Pillow's blend of what is left without the property and the picture that has it.
template <typename Sample>
Sample blended(float without, Sample sample, double factor) {
  return sample_of<Sample>(without + static_cast<float>(factor) * (static_cast<float>(sample) - without));
}

/// What each byte becomes; between bytes floats lie on straight lines.
using ByteCurve = std::array<float, 256>;

template <typename Sample>
Sample on_curve(const ByteCurve& curve, Sample sample) {
  if constexpr (std::is_same_v<Sample, std::uint8_t>) {
    return sample_of<Sample>(curve[sample]);
  } else {
    const auto below = static_cast<std::size_t>(std::clamp(sample, 0.0F, 255.0F));
    const float next = curve[std::min<std::size_t>(below + 1, 255)];
    return sample_of<Sample>(curve[below] + (next - curve[below]) * (sample - static_cast<float>(below)));
  }
}

ByteCurve unchanged_curve() {
  ByteCurve curve;
  for (std::size_t i = 0; i < curve.size(); ++i) curve[i] = static_cast<float>(i);
  return curve;
}

/// How often each byte occurs in a channel; floats count where they are cut off.
std::array<std::int64_t, 256> histogram_of(const Picture& picture, std::int64_t channel) {
  std::array<std::int64_t, 256> counts = {};
  std::visit(
      [&](const auto& samples) {
        for (auto i = static_cast<std::size_t>(channel); i < samples.size();
             i += static_cast<std::size_t>(picture.channels))
          ++counts[static_cast<std::size_t>(sample_of<std::uint8_t>(static_cast<float>(samples[i])))];
      },
      picture.samples);
  return counts;
}

ByteCurve equalizing_curve(const std::array<std::int64_t, 256>& counts) {
  const auto last = std::find_if(counts.rbegin(), counts.rend(), [](std::int64_t count) { return count > 0; });
  std::int64_t total = 0;
  for (const std::int64_t count : counts) total += count;
  const std::int64_t step = last == counts.rend() ? 0 : (total - *last) / 255;
  if (step == 0) return unchanged_curve();
  ByteCurve curve;
  std::int64_t below = step / 2;
  for (std::size_t i = 0; i < curve.size(); ++i) {
    curve[i] = static_cast<float>(std::min<std::int64_t>(below / step, 255));
    below += counts[i];
  }
  return curve;
}

Picture along_curves(const Picture& picture, const std::vector<ByteCurve>& curves) {
  return changed(picture, [&](auto sample, std::size_t i) {
    return on_curve(curves[i % static_cast<std::size_t>(picture.channels)], sample);
  });
}

}  // namespace

Picture with_brightness(const Picture& picture, double factor) {
  return changed(picture, [&](auto sample, std::size_t) { return blended(0.0F, sample, factor); });
}

Picture with_contrast(const Picture& picture, double factor) {
  const Picture grey = grey_picture(picture);
  double sum = 0.0;
  std::visit(
      [&](const auto& samples) {
        for (const auto sample : samples) sum += static_cast<double>(sample);
      },
      grey.samples);
  const auto mean = static_cast<float>(std::floor(sum / static_cast<double>(grey.values()) + 0.5));
  return changed(picture, [&](auto sample, std::size_t) { return blended(mean, sample, factor); });
}

Picture with_saturation(const Picture& picture, double factor) {
  if (picture.channels != 3) return picture;
  const Picture grey = grey_picture(picture);
  return changed(picture, [&](auto sample, std::size_t i) {
    const auto& values = std::get<std::vector<decltype(sample)>>(grey.samples);
    return blended(static_cast<float>(values[i / 3]), sample, factor);
  });
}

Picture with_sharpness(const Picture& picture, double factor) {
  const auto width = static_cast<std::size_t>(picture.extent.width);
  const auto height = static_cast<std::size_t>(picture.extent.height);
  const auto channels = static_cast<std::size_t>(picture.channels);
  const std::size_t stride = width * channels;
  return changed(picture, [&](auto sample, std::size_t i) {
    using Sample = decltype(sample);
    const auto& in = std::get<std::vector<Sample>>(picture.samples);
    const std::size_t row = i / stride;
    const std::size_t column = i % stride / channels;
    if (row == 0 || row + 1 >= height || column == 0 || column + 1 >= width) return sample;
    constexpr float kOuter = 1.0F / 13.0F;
    constexpr float kInner = 5.0F / 13.0F;
    const auto three = [&](std::size_t middle, float weight) {
      return static_cast<float>(in[middle - channels]) * kOuter + static_cast<float>(in[middle]) * weight +
             static_cast<float>(in[middle + channels]) * kOuter;
    };
    float sum = std::is_same_v<Sample, std::uint8_t> ? 0.5F : 0.0F;
    sum += three(i + stride, kOuter);
    sum += three(i, kInner);
    sum += three(i - stride, kOuter);
    return blended(static_cast<float>(sample_of<Sample>(sum)), sample, factor);
  });
}

Picture posterized(const Picture& picture, int bits) {
  const auto step = static_cast<float>(1 << (8 - bits));
  return changed(picture, [&](auto sample, std::size_t) {
    return sample_of<decltype(sample)>(std::floor(static_cast<float>(sample) / step) * step);
  });
}

Picture solarized(const Picture& picture, double threshold) {
  return changed(picture, [&](auto sample, std::size_t) {
    return static_cast<double>(sample) < threshold ? sample : static_cast<decltype(sample)>(255 - sample);
  });
}

Picture with_stretched_contrast(const Picture& picture) {
  std::vector<std::pair<double, double>> lines;  // factor and offset of each channel
  std::visit(
      [&](const auto& samples) {
        for (std::int64_t c = 0; c < picture.channels; ++c) {
          double low = 255.0;
          double high = 0.0;
          for (auto i = static_cast<std::size_t>(c); i < samples.size();
               i += static_cast<std::size_t>(picture.channels)) {
            low = std::min(low, static_cast<double>(samples[i]));
            high = std::max(high, static_cast<double>(samples[i]));
          }
          const double factor = high > low ? 255.0 / (high - low) : 1.0;
          lines.emplace_back(factor, high > low ? -low * factor : 0.0);
        }
      },
      picture.samples);
  return changed(picture, [&](auto sample, std::size_t i) {
    const auto& [factor, offset] = lines[i % lines.size()];
    return static_cast<decltype(sample)>(std::clamp(static_cast<double>(sample) * factor + offset, 0.0, 255.0));
  });
}

Picture equalized(const Picture& picture) {
  std::vector<ByteCurve> curves;
  for (std::int64_t c = 0; c < picture.channels; ++c) curves.push_back(equalizing_curve(histogram_of(picture, c)));
  return along_curves(picture, curves);
}

}  // namespace temper
