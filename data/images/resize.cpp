#include "data/images/resize.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
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

/// Where lines go: `place(row)` is written, then `finish(row)` called, from the first row of the part to the last.
template <typename Sample>
struct WholePicture {
  Sample* samples;
  std::int64_t width;  ///< samples of a line
  [[nodiscard]] Sample* place(std::int64_t row) const { return samples + row * width; }
  void finish(std::int64_t /*row*/) const {}
};

template <typename Sample>
struct OneLine {
  Sample* line;
  std::int64_t width;
  const std::function<void(std::int64_t row, std::span<const Sample> line)>& use;
  [[nodiscard]] Sample* place(std::int64_t /*row*/) const { return line; }
  void finish(std::int64_t row) const { use(row, {line, static_cast<std::size_t>(width)}); }
};

template <typename Sample, typename Lines>
void take_nearest(const SampleLines<Sample>& in, const Resampling& by, const Lines& out) {
  const PixelRectangle& part = by.part;
  const auto rows =
      nearest_samples(in.extent.height, by.box.top, by.box.bottom, by.extent.height, part.top, part.extent.height);
  const auto columns =
      nearest_samples(in.extent.width, by.box.left, by.box.right, by.extent.width, part.left, part.extent.width);
  for (std::int64_t row = 0; row < part.extent.height; ++row) {
    const Sample* line = in.samples + rows[static_cast<std::size_t>(row)] * in.stride;
    Sample* to = out.place(row);
    for (const std::int64_t column : columns) to = std::copy_n(line + column * in.channels, in.channels, to);
    out.finish(row);
  }
}

/// The first pass: lines of the input with the width of the output, kLinesOfBlock at a time.
template <typename Sample>
class LineResampler {
 public:
  LineResampler(const SampleLines<Sample>& in, const FilterWeights& weights)
      : in_(in),
        begin_(weights.begin()),
        pixels_(weights.end() - begin_),
        outputs_(weights.outputs()),
        longest_(weights.longest),
        first_(weights.first),
        counts_(weights.counts),
        values_(weight_values<Sample>(weights)),
        columns_(std::make_unique<Sample[]>(static_cast<std::size_t>(pixels_ * in.channels * kLinesOfBlock))),
        sums_(std::make_unique_for_overwrite<Sample[]>(
            static_cast<std::size_t>(outputs_ * in.channels * kLinesOfBlock))) {
    for (std::int32_t& place : first_) place -= static_cast<std::int32_t>(begin_);
  }

  /// out [lines, outputs, channels] from line `first_line` on; at most kLinesOfBlock lines.
  void resample(std::int64_t first_line, std::int64_t lines, Sample* out) {
    const LineWeights<WeightOf<Sample>> weights{outputs_, longest_, first_.data(), counts_.data(), values_.data()};
    resample_block(in_.samples + first_line * in_.stride + begin_ * in_.channels, in_.stride, lines, pixels_,
                   in_.channels, weights, columns_.get(), sums_.get(), out, outputs_ * in_.channels);
  }

 private:
  SampleLines<Sample> in_;
  std::int64_t begin_;
  std::int64_t pixels_;
  std::int64_t outputs_;
  std::int64_t longest_;
  std::vector<std::int32_t> first_;
  std::vector<std::int32_t> counts_;
  std::vector<WeightOf<Sample>> values_;
  std::unique_ptr<Sample[]> columns_;
  std::unique_ptr<Sample[]> sums_;
};

/// The lines that the second pass needs at a time: those of the input, or what the first pass makes of them, of which
/// only a few are kept. A picture's worth of them would cost more in page faults than all of the arithmetic.
template <typename Sample>
class LineWindow {
 public:
  /// `along`: weights of the first pass; empty: the lines stay as they are. At most `most` lines are asked for at once.
  LineWindow(const SampleLines<Sample>& in, const PixelRectangle& part, const std::optional<FilterWeights>& along,
             std::int64_t first_line, std::int64_t end_line, std::int64_t most)
      : first_(first_line),
        end_(first_line),
        last_(end_line),
        width_(part.extent.width * in.channels),
        stride_(width_) {
    if (!along) {
      samples_ = in.samples + first_line * in.stride + part.left * in.channels;
      stride_ = in.stride;
      end_ = end_line;
      return;
    }
    resampler_.emplace(in, *along);
    kept_ = std::make_unique_for_overwrite<Sample[]>(static_cast<std::size_t>((most + kLinesOfBlock) * width_));
    samples_ = kept_.get();
  }

  [[nodiscard]] std::int64_t stride() const { return stride_; }

  /// Lines [first, first + count), stride() apart. Those before `first` are gone for later calls.
  const Sample* lines(std::int64_t first, std::int64_t count) {
    if (first + count > end_) {
      // The box filter may leave a line between two outputs that neither counts: where it has not come yet, it is
      // passed over, and nothing is kept.
      if (first < end_)
        std::copy(kept_.get() + (first - first_) * width_, kept_.get() + (end_ - first_) * width_, kept_.get());
      else
        end_ = first;
      first_ = first;
      while (first + count > end_) {
        const std::int64_t more = std::min(kLinesOfBlock, last_ - end_);
        resampler_->resample(end_, more, kept_.get() + (end_ - first_) * width_);
        end_ += more;
      }
    }
    return samples_ + (first - first_) * stride_;
  }

 private:
  std::int64_t first_;  ///< of the lines that are there
  std::int64_t end_;
  std::int64_t last_;  ///< behind the last one that will be
  std::int64_t width_;
  std::int64_t stride_;
  const Sample* samples_ = nullptr;
  std::optional<LineResampler<Sample>> resampler_;
  std::unique_ptr<Sample[]> kept_;
};

template <typename Sample, typename Lines>
void resample(const SampleLines<Sample>& in, const Resampling& by, const Lines& out) {
  const PixelRectangle& part = by.part;
  if (by.filter == ResizeFilter::nearest) return take_nearest(in, by, out);
  // As Pillow leaves out a pass that would change nothing.
  const bool lines_change =
      by.extent.width != in.extent.width || by.box.left != 0.0F || by.box.right != static_cast<float>(by.extent.width);
  const bool columns_change = by.extent.height != in.extent.height || by.box.top != 0.0F ||
                              by.box.bottom != static_cast<float>(by.extent.height);
  std::optional<FilterWeights> along;
  if (lines_change)
    along = filter_weights(by.filter, in.extent.width, by.box.left, by.box.right, by.extent.width, part.left,
                           part.extent.width);
  const std::int64_t width = part.extent.width * in.channels;
  if (!columns_change) {
    LineWindow<Sample> window(in, part, along, part.top, part.top + part.extent.height, 1);
    for (std::int64_t row = 0; row < part.extent.height; ++row) {
      std::copy_n(window.lines(part.top + row, 1), width, out.place(row));
      out.finish(row);
    }
    return;
  }
  const FilterWeights down = filter_weights(by.filter, in.extent.height, by.box.top, by.box.bottom, by.extent.height,
                                            part.top, part.extent.height);
  const auto values = weight_values<Sample>(down);
  LineWindow<Sample> window(in, part, along, down.begin(), down.end(), down.longest);
  for (std::int64_t row = 0; row < part.extent.height; ++row) {
    const auto place = static_cast<std::size_t>(row);
    const Sample* lines = window.lines(down.first[place], down.counts[place]);
    weighted_sum(lines, window.stride(), values.data() + row * down.longest, down.counts[place], width, out.place(row));
    out.finish(row);
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

void check_resampling(const Picture& picture, const PixelRectangle& from, const Resampling& by) {
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
}

Picture resampled(const Picture& picture, const PixelRectangle& from, const Resampling& by) {
  check_resampling(picture, from, by);
  Picture made = blank_like(picture, by.part.extent);
  std::visit(
      [&](const auto& samples) {
        using Samples = std::decay_t<decltype(samples)>;
        resample(lines_of(samples, picture, from), by,
                 WholePicture<typename Samples::value_type>{std::get<Samples>(made.samples).data(),
                                                            made.extent.width * made.channels});
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
  const PixelRectangle whole{0, 0, picture.extent};
  const PixelBox box = whole_box(picture.extent);
  if (lies_within(part, extent)) return resampled(picture, whole, {box, extent, part, filter});
  PixelRectangle inside{std::clamp(part.top, std::int64_t{0}, std::max(extent.height - 1, std::int64_t{0})),
                        std::clamp(part.left, std::int64_t{0}, std::max(extent.width - 1, std::int64_t{0})),
                        {}};
  inside.extent = {
      std::clamp(part.top + part.extent.height - inside.top, std::int64_t{1}, extent.height - inside.top),
      std::clamp(part.left + part.extent.width - inside.left, std::int64_t{1}, extent.width - inside.left)};
  return crop(resampled(picture, whole, {box, extent, inside, filter}),
              {part.top - inside.top, part.left - inside.left, part.extent});
}

void for_each_resized_line(const Picture& picture, ImageExtent extent, ResizeFilter filter, const PixelRectangle& part,
                           const std::function<void(std::int64_t row, std::span<const std::uint8_t> line)>& use) {
  const auto* bytes = std::get_if<std::vector<std::uint8_t>>(&picture.samples);
  if (bytes == nullptr) throw Error("lines of a resized picture are made of bytes alone, the picture has others");
  const PixelRectangle whole{0, 0, picture.extent};
  const Resampling by{whole_box(picture.extent), extent, part, filter};
  check_resampling(picture, whole, by);
  std::vector<std::uint8_t> line(static_cast<std::size_t>(part.extent.width * picture.channels));
  resample(lines_of(*bytes, picture, whole), by,
           OneLine<std::uint8_t>{line.data(), static_cast<std::int64_t>(line.size()), use});
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
