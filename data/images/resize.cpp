#include "data/images/resize.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <type_traits>
#include <variant>
#include <vector>

#include "base/error.h"
#include "data/images/filter_weights.h"
#include "data/images/weighted_samples.h"

namespace temper {
namespace {

/// A picture, or a rectangle of one.
template <typename Sample>
struct SampleLines {
  const Sample* samples = nullptr;
  std::int64_t stride = 0;  ///< samples from one line to the next
  ImageExtent extent;
  std::int64_t channels = 1;
};

/// The sizes of what is to be computed.
struct Resampling {
  PixelBox box;  ///< of the input
  ImageExtent extent;
  PixelRectangle part;  ///< of `extent`
  ResizeFilter filter = ResizeFilter::bilinear;
};

template <typename Sample>
SampleLines<Sample> lines_of(const std::vector<Sample>& samples, const Picture& picture, const PixelRectangle& from) {
  const std::int64_t stride = picture.extent.width * picture.channels;
  return {samples.data() + from.top * stride + from.left * picture.channels, stride, from.extent, picture.channels};
}

template <typename Sample>
using WeightOf = std::conditional_t<std::is_same_v<Sample, std::uint8_t>, std::int32_t, float>;

template <typename Sample>
std::vector<WeightOf<Sample>> weight_values(const FilterWeights& weights) {
  if constexpr (std::is_same_v<Sample, std::uint8_t>)
    return weights.fixed_point();
  else
    return weights.floats();
}

template <typename Sample>
void take_nearest(const SampleLines<Sample>& in, const Resampling& by, Sample* out) {
  const PixelRectangle& part = by.part;
  const auto rows =
      nearest_samples(in.extent.height, by.box.top, by.box.bottom, by.extent.height, part.top, part.extent.height);
  const auto columns =
      nearest_samples(in.extent.width, by.box.left, by.box.right, by.extent.width, part.left, part.extent.width);
  for (const std::int64_t row : rows) {
    const Sample* line = in.samples + row * in.stride;
    for (const std::int64_t column : columns) out = std::copy_n(line + column * in.channels, in.channels, out);
  }
}

/// The first pass, of the lines that the second one needs: `out` [lines, outputs, channels].
template <typename Sample>
void resample_lines(const SampleLines<Sample>& in, const FilterWeights& weights, std::int64_t first_line,
                    std::int64_t lines, Sample* out) {
  const std::int64_t begin = weights.begin();
  const std::int64_t pixels = weights.end() - begin;
  std::vector<std::int32_t> first = weights.first;
  for (std::int32_t& place : first) place -= static_cast<std::int32_t>(begin);
  const auto values = weight_values<Sample>(weights);
  const LineWeights<WeightOf<Sample>> line_weights{weights.outputs(), weights.longest, first.data(),
                                                   weights.counts.data(), values.data()};
  const auto columns = std::make_unique<Sample[]>(static_cast<std::size_t>(pixels * in.channels * kLinesOfBlock));
  const auto sums = std::make_unique_for_overwrite<Sample[]>(
      static_cast<std::size_t>(weights.outputs() * in.channels * kLinesOfBlock));
  const std::int64_t out_stride = weights.outputs() * in.channels;
  for (std::int64_t line = 0; line < lines; line += kLinesOfBlock)
    resample_block(in.samples + (first_line + line) * in.stride + begin * in.channels, in.stride,
                   std::min(kLinesOfBlock, lines - line), pixels, in.channels, line_weights, columns.get(), sums.get(),
                   out + line * out_stride, out_stride);
}

template <typename Sample>
void resample(const SampleLines<Sample>& in, const Resampling& by, Sample* out) {
  const PixelRectangle& part = by.part;
  if (by.filter == ResizeFilter::nearest) return take_nearest(in, by, out);
  // As Pillow leaves out a pass that would change nothing.
  const bool lines_change =
      by.extent.width != in.extent.width || by.box.left != 0.0F || by.box.right != static_cast<float>(by.extent.width);
  const bool columns_change = by.extent.height != in.extent.height || by.box.top != 0.0F ||
                              by.box.bottom != static_cast<float>(by.extent.height);
  std::int64_t first_line = part.top;
  std::int64_t lines = part.extent.height;
  FilterWeights down;
  if (columns_change) {
    down = filter_weights(by.filter, in.extent.height, by.box.top, by.box.bottom, by.extent.height, part.top,
                          part.extent.height);
    first_line = down.begin();
    lines = down.end() - first_line;
  }
  const std::int64_t width = part.extent.width * in.channels;
  std::unique_ptr<Sample[]> between;
  const Sample* from = in.samples + first_line * in.stride + part.left * in.channels;
  std::int64_t stride = in.stride;
  if (lines_change) {
    const FilterWeights along = filter_weights(by.filter, in.extent.width, by.box.left, by.box.right, by.extent.width,
                                               part.left, part.extent.width);
    Sample* to = out;
    if (columns_change) {
      between = std::make_unique_for_overwrite<Sample[]>(static_cast<std::size_t>(lines * width));
      to = between.get();
    }
    resample_lines(in, along, first_line, lines, to);
    from = to;
    stride = width;
  }
  if (columns_change) {
    const auto values = weight_values<Sample>(down);
    for (std::int64_t row = 0; row < part.extent.height; ++row)
      weighted_sum(from + (down.first[static_cast<std::size_t>(row)] - first_line) * stride, stride,
                   values.data() + row * down.longest, down.counts[static_cast<std::size_t>(row)], width,
                   out + row * width);
  } else if (!lines_change) {
    for (std::int64_t row = 0; row < part.extent.height; ++row)
      std::copy_n(from + row * stride, width, out + row * width);
  }
}

bool lies_within(const PixelRectangle& part, ImageExtent extent) {
  return part.top >= 0 && part.left >= 0 && part.extent.height >= 1 && part.extent.width >= 1 &&
         part.top <= extent.height - part.extent.height && part.left <= extent.width - part.extent.width;
}

/// A picture of another extent, with samples of the same type and range.
Picture blank_like(const Picture& picture, ImageExtent extent) {
  Picture made{extent, picture.channels, {}, picture.black, picture.white};
  std::visit(
      [&](const auto& samples) {
        made.samples = std::decay_t<decltype(samples)>(static_cast<std::size_t>(made.values()));
      },
      picture.samples);
  return made;
}

Picture resampled(const Picture& picture, const PixelRectangle& from, const Resampling& by) {
  if (!lies_within(from, picture.extent))
    throw Error("a picture of {} x {} pixels has no {} x {} pixels at row {}, column {}", picture.extent.width,
                picture.extent.height, from.extent.width, from.extent.height, from.top, from.left);
  if (by.extent.height < 1 || by.extent.width < 1)
    throw Error("a picture was to be resized to {} x {} pixels, expected 1 x 1 at least", by.extent.width,
                by.extent.height);
  if (!lies_within(by.part, by.extent))
    throw Error("of a picture resized to {} x {} pixels, {} x {} pixels at row {}, column {} were asked for",
                by.extent.width, by.extent.height, by.part.extent.width, by.part.extent.height, by.part.top,
                by.part.left);
  Picture made = blank_like(picture, by.part.extent);
  std::visit(
      [&](const auto& samples) {
        using Samples = std::decay_t<decltype(samples)>;
        resample(lines_of(samples, picture, from), by, std::get<Samples>(made.samples).data());
      },
      picture.samples);
  return made;
}

PixelBox whole_box(ImageExtent extent) {
  return {0.0F, 0.0F, static_cast<float>(extent.width), static_cast<float>(extent.height)};
}

}  // namespace

Picture resize(const Picture& picture, ImageExtent extent, ResizeFilter filter, std::optional<PixelBox> box) {
  const PixelBox whole = whole_box(picture.extent);
  const PixelBox seen = box.value_or(whole);
  if (!(seen.left >= 0.0F && seen.top >= 0.0F && seen.right <= whole.right && seen.bottom <= whole.bottom))
    throw Error("the box from ({}, {}) to ({}, {}) leaves a picture of {} x {} pixels", seen.left, seen.top, seen.right,
                seen.bottom, picture.extent.width, picture.extent.height);
  if (!(seen.left < seen.right && seen.top < seen.bottom))
    throw Error("the box from ({}, {}) to ({}, {}) has no pixels", seen.left, seen.top, seen.right, seen.bottom);
  return resampled(picture, {0, 0, picture.extent}, {seen, extent, {0, 0, extent}, filter});
}

Picture resized_part(const Picture& picture, ImageExtent extent, ResizeFilter filter, const PixelRectangle& part) {
  return resampled(picture, {0, 0, picture.extent}, {whole_box(picture.extent), extent, part, filter});
}

Picture resized_crop(const Picture& picture, const PixelRectangle& from, ImageExtent extent, ResizeFilter filter) {
  return resampled(picture, from, {whole_box(from.extent), extent, {0, 0, extent}, filter});
}

Picture crop(const Picture& picture, const PixelRectangle& from) {
  if (from.extent.height < 1 || from.extent.width < 1)
    throw Error("{} x {} pixels were to be cut out of a picture, expected 1 x 1 at least", from.extent.width,
                from.extent.height);
  Picture made = blank_like(picture, from.extent);
  const std::int64_t left = std::max(from.left, std::int64_t{0});
  const std::int64_t right = std::min(from.left + from.extent.width, picture.extent.width);
  std::visit(
      [&](const auto& samples) {
        using Samples = std::decay_t<decltype(samples)>;
        auto& to = std::get<Samples>(made.samples);
        if (!lies_within(from, picture.extent))
          std::fill(to.begin(), to.end(), static_cast<typename Samples::value_type>(picture.black));
        for (std::int64_t row = 0; row < from.extent.height; ++row) {
          const std::int64_t source = from.top + row;
          if (source < 0 || source >= picture.extent.height || left >= right) continue;
          std::copy_n(samples.begin() + (source * picture.extent.width + left) * picture.channels,
                      (right - left) * picture.channels,
                      to.begin() + (row * from.extent.width + left - from.left) * picture.channels);
        }
      },
      picture.samples);
  return made;
}

}  // namespace temper
