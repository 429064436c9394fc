#include "runtime/frozen/frozen_layout.h"

#include <fmt/format.h>

#include <algorithm>

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

/// SHA-256 of an array of a data set, whose pages leave this process as they are read.
template <typename T>
std::string digest_of(const TokenStore& data, std::span<const T> array) {
  Sha256 digest;
  data.scan(array, [&](std::span<const T> piece, std::size_t) {
    digest.add(std::as_bytes(piece));
    return true;
  });
  return digest.hex();
}

/// Of the segments, of which there is no array where all are 0.
std::string digest_of_types(const TokenStore& data) {
  if (!data.types().empty()) return digest_of(data, data.types());
  const std::vector<std::int32_t> zeros(std::size_t{1} << 14);
  Sha256 digest;
  for (auto left = static_cast<std::size_t>(data.tokens()); left > 0; left -= std::min(left, zeros.size()))
    digest.add(std::as_bytes(std::span(zeros).first(std::min(left, zeros.size()))));
  return digest.hex();
}

}  // namespace

FrozenLayout lay_out_frozen(const TokenStore& data, const Model& model, std::int64_t stages, DType activations) {
  FrozenLayout layout;
  layout.stages = stages;
  layout.width = model.width();
  layout.type = activations;
  const bool whole = stages < model.stages();
  const auto hidden_rows = [&](std::int64_t example) -> std::int64_t {
    const std::int64_t length = data.length(example);
    if (whole) return length;
    // Each token but the last predicts one.
    if (data.predicts_next() && model.readout().tokens == ReadTokens::labelled) return length - 1;
    const std::int64_t begin = data.starts()[static_cast<std::size_t>(example)];
    return count_read_tokens(model.readout(), length, classes_for(model.readout(), data.classes(), begin, length));
  };
  layout.row_starts.reserve(static_cast<std::size_t>(data.rows()) + 1);
  // An example falls into the block in which its middle lies.
  const std::int64_t tokens = data.starts().back();
  const std::int64_t blocks = blocks_for(tokens);
  std::int64_t block = 0;
  for (std::int64_t example = 0; example < data.rows(); ++example) {
    layout.row_starts.push_back(layout.rows() + hidden_rows(example));
    const std::int64_t twice_middle = 2 * data.starts()[static_cast<std::size_t>(example)] + data.length(example);
    const std::int64_t next = tokens > 0 ? std::min(twice_middle * blocks / (2 * tokens), blocks - 1) : 0;
    if (next > block && example > 0) layout.block_starts.push_back(example);
    block = next;
  }
  if (data.rows() > 0) layout.block_starts.push_back(data.rows());
  return layout;
}

std::string frozen_content_key(const FrozenLayout& layout, const TokenStore& data, const Model& model, Device& device) {
  const auto digest = [](const auto& values) { return sha256_hex(std::as_bytes(std::span(values))); };
  std::string text = fmt::format("hidden rows of temper {}\n{}\n{} stages of {}, width {}, {}, blocks {}\n{}\n",
                                 kVersion, model.definition(), layout.stages, model.stages(), layout.width,
                                 name_of(layout.type), digest(layout.block_starts), device.arithmetic());
  model.for_each_value([&](const Parameter& parameter) {
    if (parameter.stage < layout.stages)
      text += fmt::format("{} {}\n", parameter.name, digest(HostCopy(device, parameter.variable.value()).values()));
    return true;
  });
  text += fmt::format("rows {}\nids {}\ntypes {}\ntokens {}\n", digest(layout.row_starts), digest_of(data, data.ids()),
                      digest_of_types(data), digest_of(data, data.starts()));
  // Which tokens per row stands for.
  if (layout.stages == model.stages()) {
    const Readout& readout = model.readout();
    text += fmt::format("readout {} {}\n", static_cast<int>(readout.tokens), readout.padding_id);
    if (readout.tokens == ReadTokens::labelled) text += fmt::format("labels {}\n", digest_of(data, data.classes()));
  }
  return sha256_hex(text);
}

}  // namespace temper
