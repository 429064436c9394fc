#include "comm/fixed_tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "tensor/device.h"

namespace temper {
namespace {

std::vector<std::vector<float>> random_leaves(int leaves, std::size_t n) {
  std::mt19937 engine(5);
  std::normal_distribution<float> normal;
  std::vector<std::vector<float>> values(static_cast<std::size_t>(leaves), std::vector<float>(n));
  for (auto& leaf : values)
    for (float& value : leaf) value = normal(engine) * 1e3F;
  return values;
}

/// The sum of a node by the definition: left child plus right child.
std::vector<float> naive_sum(const std::vector<std::vector<float>>& leaves, TreeNode node) {
  if (node.end - node.begin == 1) return leaves[static_cast<std::size_t>(node.begin)];
  int cut = 1;
  while (cut * 2 < node.end - node.begin) cut *= 2;
  std::vector<float> left = naive_sum(leaves, {node.begin, node.begin + cut});
  const std::vector<float> right = naive_sum(leaves, {node.begin + cut, node.end});
  for (std::size_t i = 0; i < left.size(); ++i) left[i] += right[i];
  return left;
}

TEST(FixedTree, SharesLeavesOutEvenly) {
  for (int leaves = 1; leaves <= 17; ++leaves) {
    for (int ranks = 1; ranks <= 9; ++ranks) {
      int next = 0;
      for (int rank = 0; rank < ranks; ++rank) {
        const TreeNode own = leaves_of_rank(leaves, ranks, rank);
        EXPECT_EQ(own.begin, next);
        EXPECT_LE(own.end - own.begin, (leaves + ranks - 1) / ranks);
        EXPECT_GE(own.end - own.begin, leaves / ranks);
        next = own.end;
      }
      EXPECT_EQ(next, leaves);
    }
  }
}

TEST(FixedTree, SumsHaveTheSameBitsHoweverLeavesAreSpread) {
  const auto device = make_cpu_device();
  constexpr std::size_t kElements = 3001;  // several blocks and a rest
  for (int leaves = 1; leaves <= 17; ++leaves) {
    const auto values = random_leaves(leaves, kElements);
    const std::vector<float> expected = naive_sum(values, {0, leaves});
    for (int ranks = 1; ranks <= 9; ++ranks) {
      std::vector<TreeNode> nodes;
      std::vector<std::vector<float>> partial;
      for (int rank = 0; rank < ranks; ++rank)
        for (const TreeNode node : cover(leaves, leaves_of_rank(leaves, ranks, rank))) {
          nodes.push_back(node);
          partial.push_back(naive_sum(values, node));
        }
      std::vector<const float*> inputs;
      for (const auto& sum : partial) inputs.push_back(sum.data());
      const std::vector<TreeStep> steps = tree_steps(leaves, nodes);
      std::vector<float> out(kElements);
      device->kernels().run(calls::AddTree{.inputs = inputs, .postfix = steps, .out = out.data(), .n = kElements});
      EXPECT_EQ(out, expected) << leaves << " leaves on " << ranks << " ranks";
      // In place of one of the inputs, as a rank sums into its own gradients.
      for (const std::size_t target : {std::size_t{0}, partial.size() / 2, partial.size() - 1}) {
        const std::vector<float> kept = partial[target];
        device->kernels().run(
            calls::AddTree{.inputs = inputs, .postfix = steps, .out = partial[target].data(), .n = kElements});
        EXPECT_EQ(partial[target], expected);
        partial[target] = kept;
        inputs[target] = partial[target].data();
      }
    }
  }
}

TEST(FixedTree, StepsNameEveryInputOnceAndLeaveOneSum) {
  for (const int leaves : {1, 2, 3, 7, 64, 1000, 4096}) {
    for (const int ranks : {1, 2, 3, 5, 17}) {
      std::vector<TreeNode> nodes;
      for (int rank = 0; rank < ranks; ++rank)
        for (const TreeNode node : cover(leaves, leaves_of_rank(leaves, ranks, rank))) nodes.push_back(node);
      const std::vector<TreeStep> steps = tree_steps(leaves, nodes);
      std::size_t inputs = 0;
      int open = 0;
      int most = 0;
      for (const TreeStep step : steps) {
        inputs += step == TreeStep::input ? 1 : 0;
        open += step == TreeStep::input ? 1 : -1;
        ASSERT_GT(open, 0);
        most = std::max(most, open);
      }
      EXPECT_EQ(inputs, nodes.size());
      EXPECT_EQ(open, 1);
      EXPECT_LE(most, calls::AddTree::kMostDepth);
    }
  }
}

TEST(FixedTree, SumsAsManyLeavesAsAConfigurationMayAskFor) {
  constexpr int kLeaves = 4096;
  const auto device = make_cpu_device();
  const auto values = random_leaves(kLeaves, 3);
  std::vector<TreeNode> nodes;
  std::vector<const float*> inputs;
  for (int leaf = 0; leaf < kLeaves; ++leaf) {
    nodes.push_back({leaf, leaf + 1});
    inputs.push_back(values[static_cast<std::size_t>(leaf)].data());
  }
  std::vector<float> out(3);
  device->kernels().run(
      calls::AddTree{.inputs = inputs, .postfix = tree_steps(kLeaves, nodes), .out = out.data(), .n = 3});
  EXPECT_EQ(out, naive_sum(values, {0, kLeaves}));
}

TEST(FixedTree, CoversARangeWithNodesOfTheTree) {
  for (int leaves = 1; leaves <= 12; ++leaves)
    for (int begin = 0; begin < leaves; ++begin)
      for (int end = begin + 1; end <= leaves; ++end) {
        int next = begin;
        for (const TreeNode node : cover(leaves, {begin, end})) {
          EXPECT_EQ(node.begin, next);
          next = node.end;
        }
        EXPECT_EQ(next, end);
      }
  EXPECT_TRUE(cover(5, {2, 2}).empty());
}

TEST(FixedTree, KnowsSiblings) {
  EXPECT_TRUE(are_siblings(8, {0, 4}, {4, 8}));
  EXPECT_TRUE(are_siblings(8, {2, 3}, {3, 4}));
  EXPECT_FALSE(are_siblings(8, {1, 2}, {2, 3}));
  EXPECT_TRUE(are_siblings(5, {0, 4}, {4, 5}));
  EXPECT_FALSE(are_siblings(5, {2, 4}, {4, 5}));
}

TEST(FixedTree, SumsDoublesAlongTheSameTree) {
  EXPECT_EQ(tree_sum(std::vector<double>{1e100, 1.0, -1e100}), (1e100 + 1.0) + -1e100);
  EXPECT_EQ(tree_sum(std::vector<double>{}), 0.0);
}

}  // namespace
}  // namespace temper
