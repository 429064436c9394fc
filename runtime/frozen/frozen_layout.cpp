#include "runtime/frozen/frozen_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>
#include <variant>

#include "base/digest.h"
#include "runtime/steps/read_tokens.h"
#include "tensor/host_copy.h"
#include "version.h"

namespace temper {
namespace {

std::int64_t divided_up(std::int64_t value, std::int64_t by) { return (value + by - 1) / by; }

/// Blocks for so many tokens: a multiple of 8, so that the ranks of a node end at the same time, but none so small that
/// products are slow.
std::int64_t blocks_for(std::int64_t tokens) {
  constexpr std::int64_t kMultiple = 8;
  constexpr std::int64_t kLeastTokens = FrozenLayout::kBlockTokens / 4;
  const std::int64_t even = divided_up(divided_up(tokens, FrozenLayout::kBlockTokens), kMultiple) * kMultiple;
  return std::max<std::int64_t>(1, std::min(tokens / kLeastTokens, even));
}

/// SHA-256 of what a data set's rows hold.
struct DataDigests {
  std::string content;  ///< ids and segments, or pixels
  std::string lengths;
  std::string classes;
};

DataDigests digests_of(const ExampleSource& data) {
  Sha256 content;
  Sha256 lengths;
  Sha256 classes;
  const auto add = [](Sha256& digest, const auto& values) { digest.add(std::as_bytes(std::span(values))); };
  for_each_batch(data, [&](const Batch& batch, std::int64_t) {
    if (const auto* text = std::get_if<Tokens>(&batch.content)) {
      add(content, text->ids);
      add(content, text->types);
    } else {
      add(content, std::get<Pixels>(batch.content).values);
    }
    for (std::size_t i = 1; i < batch.sequence_starts.size(); ++i) {
      const std::int64_t length = batch.sequence_starts[i] - batch.sequence_starts[i - 1];
      lengths.add(std::as_bytes(std::span(&length, 1)));
    }
    add(classes, batch.classes);
    return true;
  });
  return {content.hex(), lengths.hex(), classes.hex()};
}

/// Calls `visit(tokens)` for each example with the number of its tokens that are read.
void for_each_read_count(const ExampleSource& data, const Readout& readout,
                         const std::function<void(std::int64_t tokens)>& visit) {
  if (readout.tokens != ReadTokens::labelled) {
    for (std::int64_t example = 0; example < data.rows(); ++example)
      visit(count_read_tokens(readout, data.cost(example), {}));
    return;
  }
  for_each_batch(data, [&](const Batch& batch, std::int64_t) {
    for (std::int64_t s = 0; s < batch.sequences(); ++s) {
      const std::int32_t begin = batch.sequence_starts[static_cast<std::size_t>(s)];
      const std::int64_t length = batch.sequence_starts[static_cast<std::size_t>(s) + 1] - begin;
      visit(count_read_tokens(readout, length, classes_for(readout, batch.classes, begin, length)));
    }
    return true;
  });
}

}  // namespace

FrozenLayout lay_out_frozen(const ExampleSource& data, const Model& model, std::int64_t stages, DType activations) {
  FrozenLayout layout;
  layout.stages = stages;
  // Of images every row has one shape; of texts the number of tokens is each row's own.
  const ImageExtent image = data.image_extent();
  layout.width = model.hidden_shape(stages, 1, image).width;
  layout.type = activations;
  const auto rows = static_cast<std::size_t>(data.rows());
  layout.row_starts.reserve(rows + 1);
  const auto add_rows = [&](std::int64_t hidden) { layout.row_starts.push_back(layout.rows() + hidden); };
  if (stages < model.stages()) {
    for (std::int64_t example = 0; example < data.rows(); ++example)
      add_rows(model.hidden_shape(stages, data.cost(example), image).rows);
  } else {
    for_each_read_count(data, model.readout(), add_rows);
  }
  // An example falls into the block in which its middle lies.
  std::int64_t tokens = 0;
  for (std::int64_t example = 0; example < data.rows(); ++example) tokens += data.cost(example);
  const std::int64_t blocks = blocks_for(tokens);
  std::int64_t block = 0;
  std::int64_t begin = 0;
  for (std::int64_t example = 0; example < data.rows(); ++example) {
    const std::int64_t length = data.cost(example);
    const std::int64_t twice_middle = 2 * std::exchange(begin, begin + length) + length;
    const std::int64_t next = tokens > 0 ? std::min(twice_middle * blocks / (2 * tokens), blocks - 1) : 0;
    if (next > block && example > 0) layout.block_starts.push_back(example);
    block = next;
  }
  if (data.rows() > 0) layout.block_starts.push_back(data.rows());
  return layout;
}

std::string frozen_content_key(const FrozenLayout& layout, const ExampleSource& data, const Model& model,
                               Device& device) {
  const auto digest = [](const auto& values) { return sha256_hex(std::as_bytes(std::span(values))); };
  std::string text = fmt::format("hidden rows of temper {}\n{}\n{} stages of {}, width {}, {}, blocks {}\n{}\n",
                                 kVersion, model.definition(), layout.stages, model.stages(), layout.width,
                                 name_of(layout.type), digest(layout.block_starts), device.arithmetic());
  model.for_each_value([&](const Parameter& parameter) {
    if (parameter.stage < layout.stages)
      text += fmt::format("{} {}\n", parameter.name, digest(HostCopy(device, parameter.variable.value()).values()));
    return true;
  });
  const DataDigests rows = digests_of(data);
  text += fmt::format("rows {}\ncontent {}\nlengths {}\n", digest(layout.row_starts), rows.content, rows.lengths);
  // Which tokens per row stands for.
  if (layout.stages == model.stages()) {
    const Readout& readout = model.readout();
    text += fmt::format("readout {} {}\n", static_cast<int>(readout.tokens), readout.padding_id);
    if (readout.tokens == ReadTokens::labelled) text += fmt::format("labels {}\n", rows.classes);
  }
  return sha256_hex(text);
}

}  // namespace temper
