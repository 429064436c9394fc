#include "runtime/steps/device_batch.h"

#include <algorithm>
#include <span>
#include <variant>
#include <vector>

#include "data/token_rows.h"
#include "runtime/steps/read_tokens.h"
#include "tensor/array_bundle.h"

namespace temper {
namespace {

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
};

/// The bundle copies the arrays.
void add_groups(ArrayBundle& bundle, std::span<const std::int32_t> indices, const BatchUse& use, GroupedRows& target) {
  HostRowGroups host = group_rows(indices);
  if (use.padded_groups) {
    pad(host);
    bundle.add(host.counts, target.counts);
  }
  bundle.add(host.ids, target.ids);
  bundle.add(host.piece_starts, target.piece_starts);
  bundle.add(host.row_starts, target.row_starts);
  bundle.add(host.order, target.order);
}

}  // namespace

DeviceBatch to_device(const Batch& batch, const Readout& readout, const BatchUse& use, Device& device,
                      const BlockFinder& find_block) {
  const auto sequences = static_cast<std::size_t>(batch.sequences());
  const auto* text = std::get_if<Tokens>(&batch.content);
  const auto* images = std::get_if<Pixels>(&batch.content);
  const Readout read = use.labelled ? readout : readout.without_labels();
  const bool every_token = read.tokens == ReadTokens::every;
  std::vector<std::uint32_t> token_examples;
  token_examples.reserve(batch.positions.size());
  Selection selection;
  DeviceBatch out;
  const bool weighted = use.weighted && use.labelled && !batch.weights.empty();
  const bool mixed = use.labelled && !batch.class_sequences.empty();
  std::vector<float> weights = mixed || (weighted && every_token) ? batch.weights : std::vector<float>();
  for (std::size_t s = 0; s < sequences; ++s) {
    const auto begin = static_cast<std::size_t>(batch.sequence_starts[s]);
    const auto end = static_cast<std::size_t>(batch.sequence_starts[s + 1]);
    token_examples.insert(token_examples.end(), end - begin, batch.examples[s]);
    if (every_token) continue;
    // Tokens of images have no ids; what is read of them goes by their places alone.
    const std::vector<std::int32_t> none(text == nullptr ? end - begin : 0);
    const std::span<const std::int32_t> ids =
        text == nullptr ? std::span<const std::int32_t>(none) : std::span(text->ids).subspan(begin, end - begin);
    const std::span<const std::int32_t> classes =
        classes_for(read, batch.classes, batch.sequence_starts[s], static_cast<std::int64_t>(ids.size()));
    for_each_read_token(read, ids, classes, [&](std::size_t position) {
      selection.add(static_cast<std::int32_t>(begin + position), batch.examples[s],
                    static_cast<std::uint32_t>(position));
      if (!classes.empty()) out.host_classes.push_back(classes[position]);
      if (weighted && !mixed) weights.push_back(batch.weights[begin + position]);
    });
    selection.end_sequence();
  }
  if (use.labelled && read.tokens != ReadTokens::labelled) out.host_classes = batch.classes;
  const std::vector<std::uint32_t> token_positions(batch.positions.begin(), batch.positions.end());

  ArrayBundle bundle;
  PackedInput& input = out.input;
  if (use.cache == nullptr && text != nullptr) {
    bundle.add(text->ids, input.indices.ids);
    bundle.add(batch.positions, input.indices.positions);
    bundle.add(text->types, input.indices.types);
  }
  if (use.trains_embeddings && text != nullptr) {
    add_groups(bundle, text->ids, use, input.indices.by_id);
    add_groups(bundle, batch.positions, use, input.indices.by_position);
    add_groups(bundle, text->types, use, input.indices.by_type);
  }
  if (images != nullptr) {
    input.pixels.height = images->height;
    input.pixels.width = images->width;
  }
  bundle.add(batch.sequence_starts, input.starts);
  bundle.add(batch.examples, input.examples);
  bundle.add(token_examples, input.token_examples);
  bundle.add(token_positions, input.token_positions);
  input.longest = batch.max_length();

  if (!every_token) {
    bundle.add(selection.rows, out.selection.rows);
    bundle.add(selection.starts, out.selection.starts);
    bundle.add(selection.examples, out.selection.examples);
    bundle.add(selection.positions, out.selection.positions);
    out.selection.one_of_each = read.is_per_sequence();
  }
  out.rows = every_token ? batch.tokens() : static_cast<std::int64_t>(selection.rows.size());
  if (use.labelled && batch.target_width > 0) {
    bundle.add(std::span<const float>(batch.targets), {batch.sequences(), batch.target_width}, out.targets.values);
  } else if (use.labelled) {
    bundle.add(out.host_classes, out.targets.classes);
    if (weighted || mixed) bundle.add(weights, out.targets.weights);
    if (mixed) bundle.add(batch.class_sequences, out.targets.rows);
  }
  if (use.labelled && !batch.references.empty()) bundle.add(batch.references, out.targets.references);
  // Last, since it is by far the largest.
  Tensor hidden;
  if (use.cache != nullptr) {
    bundle.add_last(
        {use.cache->rows_of(batch.examples), use.cache->width()}, use.cache->type(),
        [&](std::span<std::byte> room) { use.cache->read(batch.examples, room); }, hidden);
  } else if (images != nullptr) {
    const std::int64_t pixels = batch.sequences() * batch.image_extent().pixels();
    bundle.add_last(
        {pixels, images->channels}, DType::f32,
        [&](std::span<std::byte> room) {
          const std::span<const std::byte> values = std::as_bytes(std::span(images->values));
          std::copy(values.begin(), values.end(), room.begin());
        },
        input.pixels.values);
  }
  if (find_block) out.block = find_block({batch.tokens(), batch.sequences(), input.longest, out.rows, weighted});
  bundle.upload(device, out.block);
  if (hidden.defined()) out.hidden = Variable(hidden);
  return out;
}

}  // namespace temper
