#include "data/images/seen_picture.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "base/error.h"

namespace temper {

Picture seen_picture(std::span<const float> pixels, ImageExtent extent, std::int64_t channels,
                     const ImageProcessor& processor) {
  const auto count = static_cast<std::size_t>(channels);
  const auto value = [&](const auto& values, std::size_t channel, double otherwise) {
    if (values.empty()) return otherwise;
    if (values.size() != 1 && values.size() < count)
      throw Error("{} has {} values of mean or deviation, the model sees {} channels; expected one value, or one each",
                  processor.source, values.size(), channels);
    return static_cast<double>(values[values.size() == 1 ? 0 : channel]);
  };
  std::vector<double> mean;
  std::vector<double> deviation;
  for (std::size_t c = 0; c < count; ++c) {
    mean.push_back(value(processor.mean, c, 0.0));
    deviation.push_back(value(processor.deviation, c, 1.0));
  }
  Picture picture;
  picture.extent = extent;
  picture.channels = channels;
  std::vector<std::uint8_t> samples;
  samples.reserve(pixels.size());
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    const std::size_t c = i % count;
    const double byte = (static_cast<double>(pixels[i]) * deviation[c] + mean[c]) / processor.scale;
    samples.push_back(static_cast<std::uint8_t>(std::lround(std::clamp(byte, 0.0, 255.0))));
  }
  picture.samples = std::move(samples);
  return picture;
}

}  // namespace temper
