#include "runtime/explaining/fidelity.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <utility>
#include <variant>

#include "base/counter_random.h"
#include "runtime/steps/device_batch.h"
#include "runtime/tasks/probabilities.h"
#include "tensor/host_copy.h"

namespace temper {
namespace {

constexpr std::size_t kRandomParts = 8;

/// The image with the pixels of `part` [height, width] erased, once the part has been moved around the edges.
std::vector<float> erased(const Pixels& image, const std::vector<std::uint8_t>& part, std::int64_t down,
                          std::int64_t across) {
  const std::int64_t height = image.height;
  const std::int64_t width = image.width;
  const auto channels = static_cast<std::size_t>(image.channels);
  std::vector<double> mean(channels);
  for (std::size_t i = 0; i < image.values.size(); ++i) mean[i % channels] += image.values[i];
  for (double& value : mean) value /= static_cast<double>(height * width);
  std::vector<float> values = image.values;
  for (std::int64_t y = 0; y < height; ++y)
    for (std::int64_t x = 0; x < width; ++x) {
      if (part[static_cast<std::size_t>(y * width + x)] == 0) continue;
      const auto to = static_cast<std::size_t>((y + down) % height * width + (x + across) % width);
      for (std::size_t c = 0; c < channels; ++c) values[to * channels + c] = static_cast<float>(mean[c]);
    }
  return values;
}

}  // namespace

std::vector<std::uint8_t> most_marked(const RelevanceMap& map, ImageExtent extent, double share) {
  const std::vector<double> values = map.resized(extent);
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] > values[b]; });
  order.resize(static_cast<std::size_t>(std::llround(share * static_cast<double>(values.size()))));
  std::vector<std::uint8_t> marked(values.size());
  for (const std::size_t pixel : order) marked[pixel] = values[pixel] > map.nothing ? 1 : 0;
  return marked;
}

std::vector<std::vector<double>> probabilities_of(Model& model, Device& device, LossKind loss, const Batch& like,
                                                  std::span<const std::vector<float>> pixels) {
  Batch host;
  Pixels images = std::get<Pixels>(like.content);
  images.values.clear();
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    images.values.insert(images.values.end(), pixels[i].begin(), pixels[i].end());
    host.positions.insert(host.positions.end(), like.positions.begin(), like.positions.end());
    host.sequence_starts.push_back(host.sequence_starts.back() + static_cast<std::int32_t>(like.tokens()));
    host.examples.push_back(like.examples.front());
  }
  host.content = std::move(images);
  const DeviceBatch batch = to_device(host, model.readout(), BatchUse{.labelled = false}, device);
  Tape tape(device, Tape::Mode::evaluation);
  const Tensor outputs = model.forward(tape, batch.input, batch.selection).value();
  const HostCopy logits(device, outputs);
  const auto columns = static_cast<std::size_t>(outputs.columns());
  std::vector<std::vector<double>> probabilities;
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    const std::span<const float> row = logits.values().subspan(i * columns, columns);
    if (loss == LossKind::cross_entropy) {
      probabilities.push_back(softmax(row));
      continue;
    }
    std::vector<double>& of_labels = probabilities.emplace_back();
    for (const float logit : row) of_labels.push_back(sigmoid(logit));
  }
  return probabilities;
}

Fidelity measure_fidelity(Model& model, Device& device, LossKind loss, const Batch& image, const RelevanceMap& map,
                          std::int64_t output, double share) {
  const auto& pixels = std::get<Pixels>(image.content);
  const ImageExtent extent{pixels.height, pixels.width};
  const std::vector<std::uint8_t> part = most_marked(map, extent, share);
  std::vector<std::vector<float>> images{pixels.values, erased(pixels, part, 0, 0)};
  CounterRandom random({static_cast<std::uint64_t>(extent.height), static_cast<std::uint64_t>(extent.width)});
  while (images.size() < 2 + kRandomParts) {
    const auto down = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(extent.height)));
    const auto across = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(extent.width)));
    images.push_back(erased(pixels, part, down, across));
  }
  const std::vector<std::vector<double>> probabilities = probabilities_of(model, device, loss, image, images);
  const auto of = [&](std::size_t i) { return probabilities[i][static_cast<std::size_t>(output)]; };
  Fidelity fidelity;
  fidelity.share = static_cast<double>(std::count(part.begin(), part.end(), 1)) / static_cast<double>(part.size());
  fidelity.marked = of(0) - of(1);
  for (std::size_t i = 2; i < images.size(); ++i)
    fidelity.random += (of(0) - of(i)) / static_cast<double>(kRandomParts);
  return fidelity;
}

}  // namespace temper
