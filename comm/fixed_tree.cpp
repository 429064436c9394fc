#include "comm/fixed_tree.h"

#include <algorithm>
#include <bit>

namespace temper {
namespace {

void cover_below(TreeNode node, TreeNode range, std::vector<TreeNode>& found) {
  if (range.end <= node.begin || node.end <= range.begin) return;
  if (range.begin <= node.begin && node.end <= range.end) {
    found.push_back(node);
    return;
  }
  const int cut = tree_middle(node);
  cover_below({node.begin, cut}, range, found);
  cover_below({cut, node.end}, range, found);
}

/// Elements summed at a time: what a few blocks of scratch take stays in the first-level cache.
constexpr std::int64_t kBlock = 1024;

class BlockSum {
 public:
  BlockSum(Kernels& kernels, std::span<const TreeNode> nodes, std::span<const float* const> inputs)
      : kernels_(kernels), nodes_(nodes), inputs_(inputs) {}

  /// The sum of the subtree at `node` over elements [begin, begin + n): an input itself, or a sum in `scratch`.
  const float* sum(TreeNode node, std::int64_t begin, std::int64_t n, float* scratch) {
    if (nodes_[next_] == node) return inputs_[next_++] + begin;
    const int cut = tree_middle(node);
    const float* left = sum({node.begin, cut}, begin, n, scratch);
    const float* right = sum({cut, node.end}, begin, n, scratch + kBlock);
    kernels_.add(left, right, scratch, n);
    return scratch;
  }
  void restart() { next_ = 0; }

 private:
  Kernels& kernels_;
  std::span<const TreeNode> nodes_;
  std::span<const float* const> inputs_;
  std::size_t next_ = 0;
};

double sum_leaves(std::span<const double> leaves) {
  if (leaves.size() == 1) return leaves.front();
  const auto cut = static_cast<std::size_t>(tree_middle({0, static_cast<int>(leaves.size())}));
  return sum_leaves(leaves.first(cut)) + sum_leaves(leaves.subspan(cut));
}

}  // namespace

int tree_middle(TreeNode node) {
  const auto length = static_cast<unsigned>(node.end - node.begin);
  return node.begin + static_cast<int>(std::bit_floor(length - 1));
}

TreeNode leaves_of_rank(int leaves, int ranks, int rank) {
  const int share = leaves / ranks;
  const int longer = leaves % ranks;
  const int begin = rank * share + std::min(rank, longer);
  return {begin, begin + share + (rank < longer ? 1 : 0)};
}

std::vector<TreeNode> cover(int leaves, TreeNode range) {
  std::vector<TreeNode> found;
  if (range.begin < range.end) cover_below({0, leaves}, range, found);
  return found;
}

bool are_siblings(int leaves, TreeNode a, TreeNode b) {
  TreeNode node{0, leaves};
  while (node.end - node.begin > 1) {
    const int cut = tree_middle(node);
    if (node == TreeNode{a.begin, b.end}) return a.end == cut && b.begin == cut;
    node = a.begin < cut ? TreeNode{node.begin, cut} : TreeNode{cut, node.end};
  }
  return false;
}

void tree_sum(Kernels& kernels, int leaves, std::span<const TreeNode> nodes, std::span<const float* const> inputs,
              float* out, std::int64_t n) {
  BlockSum blocks(kernels, nodes, inputs);
  // A level of the tree needs one block of scratch; no tree of int leaves is deeper.
  std::vector<float> scratch(static_cast<std::size_t>(kBlock) * 33);
  for (std::int64_t begin = 0; begin < n; begin += kBlock) {
    const std::int64_t length = std::min(kBlock, n - begin);
    blocks.restart();
    const float* sum = blocks.sum({0, leaves}, begin, length, scratch.data());
    if (sum != out + begin) std::copy_n(sum, length, out + begin);
  }
}

double tree_sum(std::span<const double> leaves) { return leaves.empty() ? 0.0 : sum_leaves(leaves); }

}  // namespace temper
