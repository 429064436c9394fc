#include "model/layers/window_attention.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace temper {
namespace {

/// What a place that the shift brought from the other side of the image is kept from: a score so low that nothing is
/// left of it.
constexpr float kUnseen = -100.0F;

std::int64_t padded(std::int64_t length, std::int64_t window) { return (length + window - 1) / window * window; }

/// How a grid is cut into windows.
struct Windows {
  ImageExtent grid;
  ImageExtent whole;  ///< with what is padded
  std::int64_t window;
  std::int64_t shift;

  [[nodiscard]] std::int64_t rows() const { return whole.pixels(); }
  [[nodiscard]] std::int64_t places() const { return window * window; }
  /// Where row `row` of the windows lies before the shift was undone.
  [[nodiscard]] ImageExtent shifted_place(std::int64_t row) const {
    const std::int64_t across = whole.width / window;
    const std::int64_t number = row / places();
    const std::int64_t within = row % places();
    return {number / across * window + within / window, number % across * window + within % window};
  }
  /// The token that it is; -1: one that is padded.
  [[nodiscard]] std::int64_t token(std::int64_t row) const {
    const ImageExtent at = shifted_place(row);
    const std::int64_t line = (at.height + shift) % whole.height;
    const std::int64_t column = (at.width + shift) % whole.width;
    return line < grid.height && column < grid.width ? line * grid.width + column : -1;
  }
  /// Rows of one window see each other if they are of one region: the shift brings others together.
  [[nodiscard]] std::int64_t region(std::int64_t row) const {
    if (shift == 0) return 0;
    const ImageExtent at = shifted_place(row);
    const auto along = [&](std::int64_t place, std::int64_t length) {
      return (place >= length - window ? 1 : 0) + (place >= length - shift ? 1 : 0);
    };
    return along(at.height, whole.height) * 3 + along(at.width, whole.width);
  }
};

}  // namespace

WindowAttention::WindowAttention(const ParameterPlace& place, const WindowAttentionNames& names,
                                 const WindowAttentionShape& shape)
    : shape_(shape),
      query_(place, names.query, shape.width, shape.width, shape.input_bias),
      key_(place, names.key, shape.width, shape.width, shape.input_bias),
      value_(place, names.value, shape.width, shape.width, shape.input_bias),
      table_(place.add(names.bias_table, {(2 * shape.window - 1) * (2 * shape.window - 1), shape.heads},
                       Initialization::zeros())),
      output_(place, names.output, shape.width, shape.width) {
  for (const Linear* layer : {&query_, &key_, &value_, &output_}) layer->belongs_to(ModulePart::attention);
}

std::unique_ptr<WindowAttention::Maps> WindowAttention::make_maps(ImageExtent grid) const {
  const std::int64_t side = std::min(grid.height, grid.width);
  const bool fits = side <= shape_.window;  // then nothing is shifted
  const std::int64_t window = std::min(side, shape_.window);
  const Windows windows{grid,
                        {padded(grid.height, window), padded(grid.width, window)},
                        window,
                        shape_.shifted && !fits ? shape_.window / 2 : 0};
  const std::int64_t places = windows.places();
  const std::int64_t buckets = 2 * places - 1;

  std::vector<MixedRow> to_windows(static_cast<std::size_t>(windows.rows()));
  std::vector<MixedRow> from_windows(static_cast<std::size_t>(grid.pixels()));
  std::vector<MixedRow> each_window(static_cast<std::size_t>(windows.rows()));
  for (std::int64_t row = 0; row < windows.rows(); ++row) {
    each_window[static_cast<std::size_t>(row)].add(row % places);
    const std::int64_t token = windows.token(row);
    if (token < 0) continue;
    to_windows[static_cast<std::size_t>(row)].add(token);
    from_windows[static_cast<std::size_t>(token)].add(row);
  }

  // The query at place i has, for each head and each i - j, the table's number for the way between the two.
  std::vector<MixedRow> bias;
  for (std::int64_t i = 0; i < places; ++i)
    for (std::int64_t head = 0; head < shape_.heads; ++head)
      for (std::int64_t bucket = 0; bucket < buckets; ++bucket) {
        MixedRow& number = bias.emplace_back();
        const std::int64_t j = i - (bucket - places + 1);
        if (j < 0 || j >= places) continue;
        const std::int64_t down = i / window - j / window + shape_.window - 1;
        const std::int64_t across = i % window - j % window + shape_.window - 1;
        number.add((down * (2 * shape_.window - 1) + across) * shape_.heads + head);
      }

  std::vector<float> mask;
  if (windows.shift > 0) {
    mask.resize(static_cast<std::size_t>(windows.rows() * shape_.heads * buckets));
    for (std::int64_t row = 0; row < windows.rows(); ++row)
      for (std::int64_t j = 0; j < places; ++j) {
        const std::int64_t i = row % places;
        if (windows.region(row) == windows.region(row - i + j)) continue;
        for (std::int64_t head = 0; head < shape_.heads; ++head)
          mask[static_cast<std::size_t>((row * shape_.heads + head) * buckets + i - j + places - 1)] = kUnseen;
      }
  }
  std::vector<std::int32_t> identity(static_cast<std::size_t>(buckets));
  std::iota(identity.begin(), identity.end(), 0);
  return std::make_unique<Maps>(Maps{window, RowMap(grid.pixels(), to_windows), RowMap(windows.rows(), from_windows),
                                     RowMap(table_.shape().elements(), bias), RowMap(places, each_window),
                                     RowMap(1, std::vector<MixedRow>(static_cast<std::size_t>(windows.rows()))),
                                     ConstantArray<float>(std::move(mask)),
                                     ConstantArray<std::int32_t>(std::move(identity))});
}

const WindowAttention::Maps& WindowAttention::maps_of(ImageExtent grid) const {
  std::unique_ptr<Maps>& known = maps_[{grid.height, grid.width}];
  if (known == nullptr) known = make_maps(grid);
  return *known;
}

DistanceTerms WindowAttention::terms(Tape& tape, const Maps& maps, std::int64_t images) const {
  const std::int64_t buckets = 2 * maps.places() - 1;
  const Variable of_window = mix_rows(tape, table_, maps.bias, 1, {}, shape_.heads * buckets);
  const Variable mask = maps.mask.values().empty() ? Variable() : Variable(maps.mask.on(tape.device()));
  const Variable of_image = mix_rows(tape, of_window, maps.each_window, 1, mask);
  // Of the nothing that the images' rows are made of, no number is read.
  const Variable nothing(tape.empty({images, of_image.value().columns()}));
  DistanceTerms terms;
  terms.query = mix_rows(tape, nothing, maps.each_image, images, of_image);
  terms.buckets = maps.buckets.on(tape.device());
  terms.count = buckets;
  return terms;
}

Tensor WindowAttention::window_starts(Device& device, std::int64_t windows, std::int64_t places) const {
  ConstantArray<std::int32_t>& known = starts_[{windows, places}];
  if (known.values().empty()) {
    std::vector<std::int32_t> starts;
    for (std::int64_t window = 0; window <= windows; ++window)
      starts.push_back(static_cast<std::int32_t>(window * places));
    known = ConstantArray<std::int32_t>(std::move(starts));
  }
  return known.on(device);
}

Variable WindowAttention::forward(Tape& tape, const PackedInput& input, const Variable& hidden,
                                  const Variable& /*query_rows*/, const TokenSelection& /*selection*/,
                                  std::uint32_t /*dropout_place*/) const {
  const Maps& maps = maps_of(shape_.grid.of(input.pixels));
  const std::int64_t images = input.sequences();
  const Variable rows = mix_rows(tape, hidden, maps.to_windows, images);
  const std::int64_t windows = rows.value().rows() / maps.places();
  const Tensor starts = window_starts(tape.device(), windows, maps.places());
  PackedSequences sequences;
  sequences.tokens = rows.value().rows();
  sequences.sequences = windows;
  sequences.starts = starts.data<std::int32_t>();
  sequences.longest = maps.places();
  const Variable attended =
      attention(tape, query_(tape, rows), key_(tape, rows), value_(tape, rows), sequences,
                AttentionShape::plain(shape_.heads, shape_.width / shape_.heads), {}, terms(tape, maps, images));
  return output_(tape, mix_rows(tape, attended, maps.from_windows, images));
}

}  // namespace temper
