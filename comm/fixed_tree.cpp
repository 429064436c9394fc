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

void add_steps(TreeNode node, std::span<const TreeNode>& left, std::vector<TreeStep>& steps) {
  if (left.front() == node) {
    left = left.subspan(1);
    steps.push_back(TreeStep::input);
    return;
  }
  const int cut = tree_middle(node);
  add_steps({node.begin, cut}, left, steps);
  add_steps({cut, node.end}, left, steps);
  steps.push_back(TreeStep::sum);
}

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

std::vector<TreeStep> tree_steps(int leaves, std::span<const TreeNode> nodes) {
  std::vector<TreeStep> steps;
  add_steps({0, leaves}, nodes, steps);
  return steps;
}

double tree_sum(std::span<const double> leaves) { return leaves.empty() ? 0.0 : sum_leaves(leaves); }

}  // namespace temper
