// The fixed tree over grains (comm/fixed_tree.h) as ranks hold it.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "comm/fixed_tree.h"

namespace temper {

/// Which nodes of the tree each rank has, and how the whole is summed from them.
class RankTree {
 public:
  RankTree(int leaves, int ranks);
  [[nodiscard]] const std::vector<TreeNode>& nodes_of(int rank) const { return nodes_[static_cast<std::size_t>(rank)]; }
  [[nodiscard]] std::size_t nodes_of_others(int rank) const;
  /// Over the nodes of all ranks, in rank order.
  [[nodiscard]] std::span<const TreeStep> steps() const { return steps_; }

 private:
  std::vector<std::vector<TreeNode>> nodes_;
  std::vector<TreeStep> steps_;
};

}  // namespace temper
