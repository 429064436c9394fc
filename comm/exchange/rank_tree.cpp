#include "comm/exchange/rank_tree.h"

namespace temper {

RankTree::RankTree(int leaves, int ranks) {
  std::vector<TreeNode> all;
  for (int rank = 0; rank < ranks; ++rank) {
    nodes_.push_back(cover(leaves, leaves_of_rank(leaves, ranks, rank)));
    all.insert(all.end(), nodes_.back().begin(), nodes_.back().end());
  }
  steps_ = tree_steps(leaves, all);
}

std::size_t RankTree::nodes_of_others(int rank) const {
  std::size_t count = 0;
  for (const auto& nodes : nodes_) count += nodes.size();
  return count - nodes_of(rank).size();
}

}  // namespace temper
