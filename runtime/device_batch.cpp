#include "runtime/device_batch.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <vector>

namespace temper {
namespace {

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

/// Tokens as they are gathered, sequence after sequence.
struct Selection {
  std::vector<std::int32_t> rows;
  std::vector<std::int32_t> starts{0};
  std::vector<std::uint32_t> examples;
  std::vector<std::uint32_t> positions;

  void add(std::int32_t row, std::uint32_t example, std::uint32_t position) {
    rows.push_back(row);
    examples.push_back(example);
    positions.push_back(position);
  }
  void end_sequence() { starts.push_back(static_cast<std::int32_t>(rows.size())); }
  [[nodiscard]] TokenSelection on(Device& device) const {
    return {upload(rows, device), upload(starts, device), upload(examples, device), upload(positions, device)};
  }
};

}  // namespace

DeviceBatch to_device(const Batch& batch, Task task, bool labelled, Device& device) {
  const auto sequences = static_cast<std::size_t>(batch.sequences());
  const bool on_tokens = is_token_task(task);
  std::vector<std::uint32_t> token_examples;
  token_examples.reserve(batch.ids.size());
  Selection selection;
  std::vector<std::int32_t> classes;
  for (std::size_t s = 0; s < sequences; ++s) {
    const auto begin = static_cast<std::size_t>(batch.sequence_starts[s]);
    const auto end = static_cast<std::size_t>(batch.sequence_starts[s + 1]);
    token_examples.insert(token_examples.end(), end - begin, batch.examples[s]);
    if (!on_tokens) selection.add(batch.sequence_starts[s], batch.examples[s], 0);
    for (std::size_t t = begin; on_tokens && labelled && t < end; ++t) {
      if (batch.classes[t] == kUnlabelled) continue;
      selection.add(static_cast<std::int32_t>(t), batch.examples[s], static_cast<std::uint32_t>(t - begin));
      classes.push_back(batch.classes[t]);
    }
    selection.end_sequence();
  }
  const std::vector<std::uint32_t> token_positions(batch.positions.begin(), batch.positions.end());

  DeviceBatch out;
  PackedInput& input = out.input;
  input.indices = {upload(batch.ids, device), upload(batch.positions, device), upload(batch.types, device)};
  input.starts = upload(batch.sequence_starts, device);
  input.examples = upload(batch.examples, device);
  input.token_examples = upload(token_examples, device);
  input.token_positions = upload(token_positions, device);
  input.longest = batch.max_length();

  const bool every_token = on_tokens && !labelled;
  if (!every_token) out.selection = selection.on(device);
  out.rows = every_token ? batch.tokens() : static_cast<std::int64_t>(selection.rows.size());
  if (!labelled) return out;
  if (task == Task::regression || task == Task::multi_label) {
    out.targets = upload(std::span<const float>(batch.targets), {batch.sequences(), batch.target_width}, device);
  } else {
    out.classes = upload(on_tokens ? classes : batch.classes, device);
  }
  return out;
}

}  // namespace temper
