#include "comm/communicator.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "comm/fixed_tree.h"

namespace temper {
namespace {

/// What all ranks' arrays together may have if they are gathered: one collective call, where slices take two messages
/// to every rank.
constexpr std::size_t kGatheredBytes = std::size_t{1} << 16;

double reduced(std::span<const double> values, Reduction reduction) {
  if (reduction == Reduction::sum) return tree_sum(values);
  double best = values.front();
  for (const double value : values) best = reduction == Reduction::max ? std::max(best, value) : std::min(best, value);
  return best;
}

/// out[i] = the reduction of element i of every rank's array; `all` holds the arrays in rank order.
void reduce_columns(std::span<const double> all, std::span<double> out, std::size_t ranks, Reduction reduction) {
  std::vector<double> column(ranks);
  for (std::size_t i = 0; i < out.size(); ++i) {
    for (std::size_t rank = 0; rank < ranks; ++rank) column[rank] = all[rank * out.size() + i];
    out[i] = reduced(column, reduction);
  }
}

/// Every rank reduces a slice and sends it to the others.
void reduce_in_slices(Communicator& communicator, std::span<double> values, Reduction reduction) {
  const auto ranks = static_cast<std::size_t>(communicator.size());
  const auto slice = [&](std::size_t rank) {
    const std::size_t begin = values.size() * rank / ranks;
    return values.subspan(begin, values.size() * (rank + 1) / ranks - begin);
  };
  const std::span<double> mine = slice(static_cast<std::size_t>(communicator.rank()));
  std::vector<double> gathered(mine.size() * ranks);
  std::vector<Outgoing> outgoing;
  std::vector<Incoming> incoming;
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    outgoing.push_back({static_cast<int>(rank), std::as_bytes(slice(rank))});
    incoming.push_back(
        {static_cast<int>(rank), std::as_writable_bytes(std::span(gathered).subspan(rank * mine.size(), mine.size()))});
  }
  communicator.exchange(outgoing, incoming);
  reduce_columns(gathered, mine, ranks, reduction);
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    outgoing[rank].bytes = std::as_bytes(mine);
    incoming[rank].bytes = std::as_writable_bytes(slice(rank));
  }
  // What a rank would send to itself is in its place.
  outgoing.erase(outgoing.begin() + communicator.rank());
  incoming.erase(incoming.begin() + communicator.rank());
  communicator.exchange(std::move(outgoing), std::move(incoming));
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
void Communicator::all_reduce(std::span<std::int64_t> values, Reduction reduction) {
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
  const auto ranks = static_cast<std::size_t>(size());
  if (ranks == 1 || values.empty()) return;
  if (values.size_bytes() * ranks > kGatheredBytes) return reduce_in_slices(*this, values, reduction);
  std::vector<double> all(values.size() * ranks);
  all_gather(std::as_bytes(values), std::as_writable_bytes(std::span(all)));
  reduce_columns(all, values, ranks, reduction);
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
