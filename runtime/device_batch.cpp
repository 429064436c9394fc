#include "runtime/device_batch.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <vector>

namespace temper {
namespace {

constexpr std::int32_t kNotCounted = -100;

template <typename T>
Tensor upload(std::span<const T> values, const Shape& shape, Device& device) {
  const Tensor tensor = Tensor::empty(device.memory(), shape, dtype_of<T>());
  if (!values.empty()) std::memcpy(tensor.data<T>(), values.data(), values.size_bytes());
  return tensor;
}

template <typename T>
Tensor upload(const std::vector<T>& values, Device& device) {
  return upload(std::span<const T>(values), {static_cast<std::int64_t>(values.size())}, device);
}

}  // namespace

DeviceBatch to_device(const Batch& batch, Task task, bool labelled, Device& device) {
  const std::int64_t sequences = batch.sequences();
  std::vector<std::uint32_t> token_examples;
  token_examples.reserve(batch.ids.size());
  for (std::int64_t s = 0; s < sequences; ++s) {
    const auto i = static_cast<std::size_t>(s);
    token_examples.insert(token_examples.end(),
                          static_cast<std::size_t>(batch.sequence_starts[i + 1] - batch.sequence_starts[i]),
                          batch.examples[i]);
  }
  const std::vector<std::uint32_t> token_positions(batch.positions.begin(), batch.positions.end());

  DeviceBatch out;
  PackedInput& input = out.input;
  input.indices = {upload(batch.ids, device), upload(batch.positions, device), upload(batch.types, device)};
  input.starts = upload(batch.sequence_starts, device);
  input.first_rows =
      upload(std::span(batch.sequence_starts).first(static_cast<std::size_t>(sequences)), {sequences}, device);
  input.examples = upload(batch.examples, device);
  input.zero_positions = upload(std::vector<std::uint32_t>(static_cast<std::size_t>(sequences)), device);
  input.token_examples = upload(token_examples, device);
  input.token_positions = upload(token_positions, device);
  input.longest = batch.max_length();

  out.rows = is_token_task(task) ? batch.tokens() : sequences;
  if (!labelled) return out;
  if (task == Task::regression || task == Task::multi_label) {
    out.targets = upload(std::span<const float>(batch.targets), {sequences, batch.target_width}, device);
    return out;
  }
  if (!is_token_task(task)) {
    out.classes = upload(batch.classes, device);
    return out;
  }
  std::vector<std::int32_t> rows;
  std::vector<std::int32_t> classes;
  std::vector<std::uint32_t> examples;
  std::vector<std::uint32_t> positions;
  for (std::size_t t = 0; t < batch.classes.size(); ++t) {
    if (batch.classes[t] == kNotCounted) continue;
    rows.push_back(static_cast<std::int32_t>(t));
    classes.push_back(batch.classes[t]);
    examples.push_back(token_examples[t]);
    positions.push_back(token_positions[t]);
  }
  out.rows = static_cast<std::int64_t>(rows.size());
  out.selection = {upload(rows, device), upload(examples, device), upload(positions, device)};
  out.classes = upload(classes, device);
  return out;
}

}  // namespace temper
