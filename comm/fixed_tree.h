// The one order in which gradients are summed. The leaves of the tree are the grains of the global batch
// (docs/design.md, "Determinism"); a node covers leaves [begin, end) and is the sum of its two children, split at the
// largest power of two below its length. A rank that owns some contiguous leaves sums the complete nodes among them;
// whoever finishes the sum only follows the tree, so the bits do not depend on how leaves are spread over ranks.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/kernels.h"

namespace temper {

struct TreeNode {
  int begin = 0;
  int end = 0;
  friend bool operator==(const TreeNode&, const TreeNode&) = default;
};

/// Leaves [first, last) that rank `rank` of `ranks` owns: contiguous, as even as possible, earlier ranks have more.
/// With more ranks than leaves the last ranks own none.
TreeNode leaves_of_rank(int leaves, int ranks, int rank);

/// Where a node of more than one leaf is cut into its children.
int tree_middle(TreeNode node);

/// The fewest nodes of the tree over `leaves` leaves whose union is [range.begin, range.end), left to right.
std::vector<TreeNode> cover(int leaves, TreeNode range);

/// True if a and b (a left of b) are the two children of one node of the tree over `leaves` leaves.
bool are_siblings(int leaves, TreeNode a, TreeNode b);

/// How calls::AddTree sums the whole tree, where its inputs hold the sums of `nodes`, which together cover all
/// leaves, left to right.
std::vector<TreeStep> tree_steps(int leaves, std::span<const TreeNode> nodes);

/// The sum over the whole tree of a few doubles, one per leaf.
double tree_sum(std::span<const double> leaves);

}  // namespace temper
