// Gradients of ranks that do not all share memory. Ranks that do (a node's) form a group: they sum straight out of each
// other's buffers into the nodes of the tree that cover the group's leaves, at most 2 log2(leaves) of them, and only
// those sums go to other groups. A group holds the parameters once.
//
// What a reader would otherwise get wrong: the sums follow the same tree however ranks are grouped, so the bits do not
// depend on the groups, unless what they send is rounded (Compression).
#pragma once

#include <memory>
#include <vector>

#include "comm/exchange/gradient_exchange.h"

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

/// Collective.
std::unique_ptr<GradientExchange> make_node_exchange(Communicator& communicator, Kernels& kernels,
                                                     const ExchangeRequest& request);

}  // namespace temper
