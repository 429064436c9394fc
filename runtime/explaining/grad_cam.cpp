#include "runtime/explaining/grad_cam.h"

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "base/error.h"
#include "tensor/host_copy.h"

namespace temper {
namespace {

/// The gradient of one output of a matrix [1, outputs], by itself.
Tensor one_of(Device& device, std::int64_t output, std::int64_t outputs) {
  std::vector<float> values(static_cast<std::size_t>(outputs));
  values[static_cast<std::size_t>(output)] = 1.0F;
  Tensor gradient = Tensor::empty(device.memory(), {1, outputs});
  device.upload(values.data(), gradient.bytes(), values.size() * sizeof(float));
  return gradient;
}

}  // namespace

RelevanceMap grad_cam(const Model& model, Device& device, const DeviceBatch& image, std::int64_t output,
                      ImageExtent grid) {
  Tape below(device, Tape::Mode::evaluation);
  const Variable hidden(model.hidden_state(below, image.input, TokenSelection(), model.stages()).value(), true);
  Tape tape(device, Tape::Mode::training);
  const Variable outputs = model.forward(tape, image.input, image.selection, {model.stages(), hidden});
  Tape::set_gradient(outputs, one_of(device, output, outputs.value().columns()));
  tape.backward();
  const std::int64_t places = hidden.value().rows();
  if (places != grid.pixels())
    throw Error("Grad-CAM: the last hidden state has {} rows of an image, expected {} x {}", places, grid.height,
                grid.width);

  const HostCopy host_values(device, hidden.value());
  const HostCopy host_gradient(device, hidden.gradient());
  const std::span<const float> values = host_values.values();
  const std::span<const float> gradient = host_gradient.values();
  const auto channels = static_cast<std::size_t>(hidden.value().columns());
  std::vector<double> weights(channels);
  for (std::size_t i = 0; i < gradient.size(); ++i) weights[i % channels] += gradient[i];
  RelevanceMap map{grid, {}};
  for (std::size_t place = 0; place < static_cast<std::size_t>(places); ++place) {
    double sum = 0.0;
    for (std::size_t c = 0; c < channels; ++c)
      sum += weights[c] / static_cast<double>(places) * values[place * channels + c];
    map.values.push_back(std::max(sum, 0.0));
  }
  return map;
}

}  // namespace temper
