#include "comm/exchange/rank_tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "tensor/device.h"

namespace temper {
namespace {

TEST(RankTree, KnowsTheNodesOfEveryRank) {
  for (int leaves = 1; leaves <= 12; ++leaves) {
    for (int ranks = 1; ranks <= 5; ++ranks) {
      const RankTree tree(leaves, ranks);
      std::size_t all = 0;
      for (int rank = 0; rank < ranks; ++rank) {
        EXPECT_EQ(tree.nodes_of(rank), cover(leaves, leaves_of_rank(leaves, ranks, rank)));
        all += tree.nodes_of(rank).size();
      }
      for (int rank = 0; rank < ranks; ++rank) EXPECT_EQ(tree.nodes_of_others(rank), all - tree.nodes_of(rank).size());
      EXPECT_EQ(std::count(tree.steps().begin(), tree.steps().end(), TreeStep::input),
                static_cast<std::ptrdiff_t>(all));
      EXPECT_EQ(tree.steps().size(), 2 * all - 1);
    }
  }
}

TEST(RankTree, SumsTheNodesOfAllRanksInRankOrder) {
  const auto device = make_cpu_device();
  // Of 5 leaves on 3 ranks, rank 0 has the node (0, 1), rank 1 leaves 2 and 3 as one node, rank 2 leaf 4.
  const RankTree tree(5, 3);
  const std::vector<float> a{1e8F};
  const std::vector<float> b{-1e8F};
  const std::vector<float> c{1.0F};
  const std::vector<const float*> inputs{a.data(), b.data(), c.data()};
  float sum = 0.0F;
  device->kernels().run(calls::AddTree{.inputs = inputs, .postfix = tree.steps(), .out = &sum, .n = 1});
  EXPECT_EQ(sum, (1e8F + -1e8F) + 1.0F);
}

}  // namespace
}  // namespace temper
