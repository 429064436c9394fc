// Which ranks share memory, and so hold together what each of them would hold alone.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "comm/communicator.h"

namespace temper {

/// Which ranks share memory: group g is ranks [first[g], first[g + 1]).
struct RankGroups {
  std::vector<int> first;

  [[nodiscard]] int count() const { return static_cast<int>(first.size()) - 1; }
  [[nodiscard]] int size(int group) const { return end(group) - begin(group); }
  [[nodiscard]] int begin(int group) const { return first[static_cast<std::size_t>(group)]; }
  [[nodiscard]] int end(int group) const { return first[static_cast<std::size_t>(group) + 1]; }
  [[nodiscard]] int of(int rank) const;
  /// The rank of a group that speaks with this owner of slices in another: it sends the group's sums for the owner's
  /// slices and receives their parameters.
  [[nodiscard]] int partner(int group, int owner) const { return begin(group) + owner % size(group); }
};

/// A group for each node, or for each rank where `nodes` [ranks], the node of each, are not in ascending blocks: the
/// leaves of a node would not be contiguous then.
RankGroups group_by_node(std::span<const int> nodes);
RankGroups group_alone(int ranks);
/// Collective. By the node that each rank is on; alone where memory is not to be shared.
RankGroups group_ranks(Communicator& communicator, bool share_memory);

}  // namespace temper
