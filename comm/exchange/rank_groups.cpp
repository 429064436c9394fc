#include "comm/exchange/rank_groups.h"

#include <algorithm>

namespace temper {

int RankGroups::of(int rank) const {
  return static_cast<int>(std::upper_bound(first.begin(), first.end(), rank) - first.begin()) - 1;
}

RankGroups group_alone(int ranks) {
  RankGroups groups;
  for (int rank = 0; rank <= ranks; ++rank) groups.first.push_back(rank);
  return groups;
}

RankGroups group_by_node(std::span<const int> nodes) {
  if (!std::ranges::is_sorted(nodes)) return group_alone(static_cast<int>(nodes.size()));
  RankGroups groups;
  for (std::size_t rank = 0; rank < nodes.size(); ++rank)
    if (rank == 0 || nodes[rank] != nodes[rank - 1]) groups.first.push_back(static_cast<int>(rank));
  groups.first.push_back(static_cast<int>(nodes.size()));
  return groups;
}

RankGroups group_ranks(Communicator& communicator, bool share_memory) {
  if (!share_memory) return group_alone(communicator.size());
  std::vector<int> nodes(static_cast<std::size_t>(communicator.size()));
  const int mine = communicator.topology().node;
  communicator.all_gather(std::as_bytes(std::span(&mine, 1)), std::as_writable_bytes(std::span(nodes)));
  return group_by_node(nodes);
}

}  // namespace temper
