#include "comm/communicator.h"

#include <fmt/format.h>

#include <cstring>

#include "comm/fixed_tree.h"

namespace temper {
namespace {

/// Gathers every rank's array and reduces element by element, sums along the fixed tree.
template <typename T, typename Combine>
void reduce_gathered(Communicator& communicator, std::span<T> values, const Combine& combine) {
  const auto ranks = static_cast<std::size_t>(communicator.size());
  if (ranks == 1 || values.empty()) return;
  std::vector<T> all(values.size() * ranks);
  communicator.all_gather(std::as_bytes(values), std::as_writable_bytes(std::span(all)));
  std::vector<T> column(ranks);
  for (std::size_t i = 0; i < values.size(); ++i) {
    for (std::size_t rank = 0; rank < ranks; ++rank) column[rank] = all[rank * values.size() + i];
    values[i] = combine(std::span<const T>(column));
  }
}

template <typename T>
T extreme(std::span<const T> values, Reduction reduction) {
  T best = values.front();
  for (const T value : values) best = reduction == Reduction::max ? std::max(best, value) : std::min(best, value);
  return best;
}

}  // namespace

void Communicator::barrier() { start_barrier()->wait(); }
void Communicator::broadcast(std::span<std::byte> bytes, int root) { start_broadcast(bytes, root)->wait(); }
void Communicator::all_gather(std::span<const std::byte> mine, std::span<std::byte> all) {
  start_all_gather(mine, all)->wait();
}
void Communicator::all_reduce(std::span<float> values, Reduction reduction) {
  start_all_reduce(values, reduction)->wait();
}
void Communicator::reduce_scatter(std::span<const float> all, std::span<const std::int64_t> starts,
                                  std::span<float> mine) {
  start_reduce_scatter(all, starts, mine)->wait();
}
void Communicator::exchange(std::vector<Outgoing> outgoing, std::vector<Incoming> incoming) {
  start_exchange(std::move(outgoing), std::move(incoming))->wait();
}

void Communicator::all_reduce(std::span<double> values, Reduction reduction) {
  reduce_gathered(*this, values, [&](std::span<const double> column) {
    return reduction == Reduction::sum ? tree_sum(column) : extreme(column, reduction);
  });
}

void Communicator::all_reduce(std::span<std::int64_t> values, Reduction reduction) {
  reduce_gathered(*this, values, [&](std::span<const std::int64_t> column) {
    if (reduction != Reduction::sum) return extreme(column, reduction);
    std::int64_t sum = 0;
    for (const std::int64_t value : column) sum += value;
    return sum;
  });
}

std::string Communicator::rank_name(int rank) const {
  return size() == 1 ? "this process" : fmt::format("rank {} on {}", rank, host_name(rank));
}

std::vector<std::vector<std::byte>> Communicator::all_gather_variable(std::span<const std::byte> mine) {
  std::vector<std::int64_t> sizes(static_cast<std::size_t>(size()));
  const auto my_size = static_cast<std::int64_t>(mine.size());
  all_gather(std::as_bytes(std::span(&my_size, 1)), std::as_writable_bytes(std::span(sizes)));
  std::vector<std::vector<std::byte>> parts;
  std::vector<Outgoing> outgoing;
  std::vector<Incoming> incoming;
  for (int other = 0; other < size(); ++other) {
    parts.emplace_back(static_cast<std::size_t>(sizes[static_cast<std::size_t>(other)]));
    outgoing.push_back({other, mine});
  }
  for (int other = 0; other < size(); ++other) incoming.push_back({other, parts[static_cast<std::size_t>(other)]});
  exchange(std::move(outgoing), std::move(incoming));
  return parts;
}

void Communicator::broadcast_variable(std::vector<std::byte>& bytes, int root) {
  auto count = static_cast<std::int64_t>(bytes.size());
  broadcast(std::as_writable_bytes(std::span(&count, 1)), root);
  bytes.resize(static_cast<std::size_t>(count));
  broadcast(bytes, root);
}

}  // namespace temper
