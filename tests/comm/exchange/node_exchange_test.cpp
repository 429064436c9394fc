#include "comm/exchange/node_exchange.h"

#include <gtest/gtest.h>

#include <bit>
#include <functional>
#include <numeric>
#include <ostream>
#include <vector>

#include "comm/exchange/host_parameters.h"
#include "comm/exchange/rank_groups.h"
#include "comm/exchange/rank_tree.h"
#include "tests/fake_nodes.h"
#include "tests/world.h"

namespace temper {
namespace {

using testing_support::split_into_nodes;

TEST(RankGroups, AreTheNodesWhereThoseAreBlocks) {
  const RankGroups groups = group_by_node(std::vector<int>{0, 0, 0, 1, 2, 2});
  EXPECT_EQ(groups.first, (std::vector<int>{0, 3, 4, 6}));
  EXPECT_EQ(groups.count(), 3);
  EXPECT_EQ(groups.of(2), 0);
  EXPECT_EQ(groups.of(3), 1);
  EXPECT_EQ(groups.of(5), 2);
  EXPECT_EQ(groups.size(2), 2);
  EXPECT_EQ(groups.partner(0, 4), 1) << "the owners of other nodes are spread over a node's ranks";
  EXPECT_EQ(groups.partner(0, 5), 2);
}

TEST(RankGroups, AreSingleRanksWhereNodesTakeTurns) {
  EXPECT_EQ(group_by_node(std::vector<int>{0, 1, 0, 1}).first, group_alone(4).first);
  EXPECT_EQ(group_by_node(std::vector<int>{0, 1, 1, 0}).first, group_alone(4).first) << "node 0 is no block";
  EXPECT_EQ(group_alone(2).first, (std::vector<int>{0, 1, 2}));
}

struct Nodes {
  const char* name;
  std::function<int(int rank)> node_of;
};

void PrintTo(const Nodes& nodes, std::ostream* out) { *out << nodes.name; }

class NodeExchangeTest : public testing::TestWithParam<Nodes> {
 protected:
  static constexpr std::int64_t kElements = 5 * ArenaLayout::kChunk + 9;

  ExchangeRequest request(int leaves) {
    ExchangeRequest request;
    request.layout = ArenaLayout(std::vector<std::int64_t>{kElements});
    request.leaves = leaves;
    request.plan = plan_buckets(request.layout, nodes_->size(), Route::host, 2 * ArenaLayout::kChunk);
    request.buffers = static_cast<int>(std::max<std::size_t>(nodes_of(leaves).size(), 1));
    return request;
  }
  std::unique_ptr<ParameterExchange> make_parameters() {
    const ExchangeRequest like = request(nodes_->size());
    return make_host_parameters(*nodes_, {.layout = like.layout, .plan = like.plan, .compute_copy = true});
  }
  std::vector<TreeNode> nodes_of(int leaves) const {
    return cover(leaves, leaves_of_rank(leaves, nodes_->size(), nodes_->rank()));
  }
  /// Of a node of the tree: sums that do not come out even, so another order has other bits.
  static float value_of(TreeNode node, std::int64_t element, int step) {
    return static_cast<float>((node.begin * 31 + node.end * 7 + element + step) % 1009) * 0.37F;
  }
  void publish(GradientExchange& exchange, int leaves, int step) const {
    const std::vector<TreeNode> nodes = nodes_of(leaves);
    std::vector<int> buffers(nodes.size());
    std::iota(buffers.rbegin(), buffers.rend(), 0);
    for (std::size_t b = 0; b < exchange.plan().buckets.size(); ++b) {
      const ElementRange range = exchange.plan().buckets[b];
      for (std::size_t i = 0; i < nodes.size(); ++i)
        for (std::int64_t at = range.begin; at < range.end; ++at)
          exchange.buffer(buffers[i])[at] = value_of(nodes[i], at, step);
      exchange.publish(static_cast<int>(b), nodes, buffers);
    }
    exchange.finish();
  }

  std::unique_ptr<Device> device_ = make_cpu_device();
  std::unique_ptr<Communicator> nodes_ = split_into_nodes(GetParam().node_of);
};

TEST_P(NodeExchangeTest, HasTheBitsOfOneNode) {
  for (const int leaves : {1, 2, nodes_->size(), 2 * nodes_->size() + 1, 13}) {
    const auto across = make_node_exchange(*nodes_, device_->kernels(), request(leaves));
    const auto within = make_gradient_exchange(world_communicator(), *device_, request(leaves));
    for (int step = 0; step < 3; ++step) {
      publish(*across, leaves, step);
      publish(*within, leaves, step);
      for (const ElementRange range : across->plan().owned_by(nodes_->rank()))
        for (std::int64_t i = range.begin; i < range.end; ++i)
          ASSERT_EQ(std::bit_cast<std::uint32_t>(across->reduced()[i]),
                    std::bit_cast<std::uint32_t>(within->reduced()[i]))
              << leaves << " leaves, step " << step << ", element " << i;
      nodes_->barrier();
    }
  }
}

TEST_P(NodeExchangeTest, SharesBothArenas) {
  const auto exchange = make_parameters();
  for (int step = 0; step < 3; ++step) {
    for (const ElementRange range : request(1).plan.owned_by(nodes_->rank()))
      for (std::int64_t i = range.begin; i < range.end; ++i) {
        exchange->parameters()[i] = static_cast<float>(i + step) * 0.3F;
        exchange->compute_copy()[i] = to_bfloat16(exchange->parameters()[i]);
      }
    exchange->share(SharedRows::all);
    for (std::int64_t i = 0; i < kElements; ++i) {
      ASSERT_EQ(exchange->parameters()[i], static_cast<float>(i + step) * 0.3F) << i;
      ASSERT_EQ(exchange->compute_copy()[i].bits, to_bfloat16(static_cast<float>(i + step) * 0.3F).bits) << i;
    }
    nodes_->barrier();
  }
}

TEST_P(NodeExchangeTest, HoldsTheParametersOnceAGroup) {
  const auto exchange = make_parameters();
  exchange->parameters()[nodes_->rank()] = static_cast<float>(nodes_->rank() + 1);
  nodes_->barrier();
  std::vector<int> node(static_cast<std::size_t>(nodes_->size()));
  for (int rank = 0; rank < nodes_->size(); ++rank) node[static_cast<std::size_t>(rank)] = GetParam().node_of(rank);
  const RankGroups groups = group_by_node(node);
  for (int rank = 0; rank < nodes_->size(); ++rank)
    EXPECT_EQ(exchange->parameters()[rank],
              groups.of(rank) == groups.of(nodes_->rank()) ? static_cast<float>(rank + 1) : 0.0F);
  nodes_->barrier();
}

TEST_P(NodeExchangeTest, RoundedSumsOweTheirErrorToTheNextStep) {
  const int ranks = nodes_->size();
  ExchangeRequest compressed = request(ranks);
  compressed.links.share_memory = false;
  ErrorFeedback residuals(compressed.layout.elements());
  compressed.residuals = &residuals;
  const auto exchange = make_node_exchange(*nodes_, device_->kernels(), compressed);
  const RankTree tree(ranks, ranks);
  std::vector<std::vector<float>> owed(static_cast<std::size_t>(ranks),
                                       std::vector<float>(static_cast<std::size_t>(kElements)));
  for (int step = 0; step < 5; ++step) {
    if (step == 3) {
      residuals.reset();
      for (auto& values : owed) std::fill(values.begin(), values.end(), 0.0F);
    }
    publish(*exchange, ranks, step);
    for (const ElementRange range : exchange->plan().owned_by(nodes_->rank()))
      for (std::int64_t i = range.begin; i < std::min(range.end, kElements); ++i) {
        std::vector<float> values(static_cast<std::size_t>(ranks));
        std::vector<const float*> inputs;
        for (int rank = 0; rank < ranks; ++rank) {
          const auto r = static_cast<std::size_t>(rank);
          values[r] = value_of({rank, rank + 1}, i, step);
          inputs.push_back(&values[r]);
          if (rank == nodes_->rank()) continue;  // what is not sent is not rounded
          float& residual = owed[r][static_cast<std::size_t>(i)];
          const float sent = to_float(to_bfloat16(values[r] + residual));
          residual = (values[r] + residual) - sent;
          values[r] = sent;
        }
        float expected = 0.0F;
        device_->kernels().run(calls::AddTree{.inputs = inputs, .postfix = tree.steps(), .out = &expected, .n = 1});
        ASSERT_EQ(exchange->reduced()[i], expected) << "step " << step << ", element " << i;
      }
    nodes_->barrier();
  }
}

TEST_P(NodeExchangeTest, RoundsNothingInsideAGroup) {
  ExchangeRequest compressed = request(3 * nodes_->size());
  ErrorFeedback residuals(compressed.layout.elements());
  compressed.residuals = &residuals;
  const auto one_node = make_gradient_exchange(world_communicator(), *device_, compressed);
  const auto plain = make_gradient_exchange(world_communicator(), *device_, request(3 * nodes_->size()));
  publish(*one_node, 3 * nodes_->size(), 0);
  publish(*plain, 3 * nodes_->size(), 0);
  for (const ElementRange range : plain->plan().owned_by(nodes_->rank()))
    for (std::int64_t i = range.begin; i < range.end; ++i) ASSERT_EQ(one_node->reduced()[i], plain->reduced()[i]);
  nodes_->barrier();
}

INSTANTIATE_TEST_SUITE_P(OnNodes, NodeExchangeTest,
                         testing::Values(Nodes{"one", [](int) { return 0; }},
                                         Nodes{"each", [](int rank) { return rank; }},
                                         Nodes{"of_two", [](int rank) { return rank / 2; }},
                                         Nodes{"of_three", [](int rank) { return rank / 3; }},
                                         Nodes{"one_and_the_rest", [](int rank) { return rank == 0 ? 0 : 1; }},
                                         Nodes{"in_turns", [](int rank) { return rank % 2; }},
                                         Nodes{"around_another", [](int rank) { return (rank + 1) / 2 % 2; }}),
                         [](const auto& which) { return which.param.name; });

}  // namespace
}  // namespace temper
