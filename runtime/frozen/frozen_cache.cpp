#include "runtime/frozen/frozen_cache.h"

#include <algorithm>
#include <numeric>

#include "runtime/steps/compute_copies.h"
#include "runtime/steps/device_batch.h"

namespace temper {
namespace {

constexpr std::int64_t kRoundsBetweenCachePolls = 4;

/// The hidden rows of one block, on the host.
std::vector<std::byte> compute_block(const FrozenLayout& layout, std::int64_t block, Model& model, Device& device,
                                     const ExampleSource& data) {
  const std::int64_t first = layout.block_starts[static_cast<std::size_t>(block)];
  const std::int64_t last = layout.block_starts[static_cast<std::size_t>(block) + 1];
  const std::int64_t rows =
      layout.row_starts[static_cast<std::size_t>(last)] - layout.row_starts[static_cast<std::size_t>(first)];
  std::vector<std::byte> bytes(static_cast<std::size_t>(rows * layout.row_bytes()));
  if (bytes.empty()) return bytes;
  std::vector<std::int64_t> examples(static_cast<std::size_t>(last - first));
  std::iota(examples.begin(), examples.end(), first);
  const DeviceBatch batch = to_device(data.read(examples, 0), model.readout(), BatchUse{}, device);
  Tape tape(device, Tape::Mode::evaluation, {}, layout.type);
  const Variable hidden = model.hidden_state(tape, batch.input, batch.selection, layout.stages);
  device.download(hidden.value().bytes(), bytes.data(), bytes.size());
  return bytes;
}

}  // namespace

std::int64_t FrozenCache::rows_of(std::span<const std::uint32_t> examples) const {
  std::int64_t rows = 0;
  for (const std::uint32_t example : examples) rows += layout_.row_starts[example + 1] - layout_.row_starts[example];
  return rows;
}

void FrozenCache::read(std::span<const std::uint32_t> examples, std::span<std::byte> rows) const {
  for (const std::uint32_t example : examples) {
    const std::int64_t first = layout_.row_starts[example];
    const auto size = static_cast<std::size_t>((layout_.row_starts[example + 1] - first) * layout_.row_bytes());
    store_->read(first, rows.first(size));
    rows = rows.subspan(size);
  }
}

bool fill(FrozenCache& cache, Model& model, Device& device, Communicator& communicator, const ExampleSource& data,
          const FillSettings& settings) {
  const FrozenLayout& layout = cache.layout();
  FrozenStore& store = cache.store();
  const NodeTopology& topology = communicator.topology();
  ensure_compute_copies(model, device, layout.type);
  // Nodes may have more or fewer ranks, or blocks from an earlier run; all poll together until the last has done.
  std::vector<std::int64_t> rounds{
      store.complete() ? 0 : (layout.blocks() + topology.local_size - 1) / topology.local_size};
  communicator.all_reduce(std::span(rounds), Reduction::max);
  for (std::int64_t round = 0; round < rounds.front(); ++round) {
    if (round % kRoundsBetweenCachePolls == 0) {
      std::vector<std::int64_t> stop{settings.stop_requested() ? 1 : 0};
      communicator.all_reduce(std::span(stop), Reduction::max);
      if (stop.front() != 0) return false;
    }
    const std::int64_t done = std::min(round * topology.local_size, layout.blocks());
    settings.progress(layout.block_starts[static_cast<std::size_t>(done)]);
    const std::int64_t block = round * topology.local_size + topology.local_rank;
    if (store.complete() || block >= layout.blocks()) continue;
    store.write_block(block, compute_block(layout, block, model, device, data));
  }
  store.seal();
  // A block may be larger than any batch of training.
  device.memory().trim();
  return true;
}

}  // namespace temper
