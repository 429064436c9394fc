#include "comm/exchange/gradient_exchange.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <vector>

#include "comm/exchange/device_exchange.h"
#include "tests/world.h"

namespace temper {
namespace {

TEST(BucketPlan, SlicesMakeUpEveryBucket) {
  const ArenaLayout layout{std::vector<std::int64_t>{1'000'000, 7}};
  for (const auto owners : {BucketPlan::Owners::in_turns, BucketPlan::Owners::in_rank_order}) {
    for (int ranks = 1; ranks <= 9; ++ranks) {
      const BucketPlan plan(layout, ranks, 5 * ArenaLayout::kChunk, owners);
      std::int64_t end = 0;
      for (std::size_t b = 0; b < plan.buckets.size(); ++b) {
        EXPECT_EQ(plan.buckets[b].begin, end);
        end = plan.buckets[b].end;
        std::vector<ElementRange> slices = plan.slices[b];
        std::sort(slices.begin(), slices.end(),
                  [](ElementRange x, ElementRange y) { return std::pair(x.begin, x.end) < std::pair(y.begin, y.end); });
        std::int64_t covered = plan.buckets[b].begin;
        for (const ElementRange slice : slices) {
          EXPECT_EQ(slice.begin, covered);
          EXPECT_EQ(slice.size() % ArenaLayout::kChunk, 0);
          covered = slice.end;
        }
        EXPECT_EQ(covered, plan.buckets[b].end);
      }
      EXPECT_EQ(end, layout.elements());
    }
  }
}

TEST(BucketPlan, OwnersInRankOrderFollowOneAnotherInEveryBucket) {
  const ArenaLayout layout{std::vector<std::int64_t>{1'000'000, 7}};
  for (int ranks = 1; ranks <= 9; ++ranks) {
    const BucketPlan plan(layout, ranks, 5 * ArenaLayout::kChunk, BucketPlan::Owners::in_rank_order);
    ASSERT_GT(plan.buckets.size(), 2U);
    for (std::size_t b = 0; b < plan.buckets.size(); ++b) {
      std::int64_t next = plan.buckets[b].begin;
      for (const ElementRange slice : plan.slices[b]) {
        EXPECT_EQ(slice.begin, next);
        next = slice.end;
      }
      EXPECT_EQ(next, plan.buckets[b].end);
    }
  }
}

TEST(BucketPlan, OwnersInTurnsShareSmallBucketsOut) {
  // One chunk a bucket: in rank order the last rank would own them all.
  const ArenaLayout layout{std::vector<std::int64_t>{4 * 3 * ArenaLayout::kChunk}};
  const BucketPlan in_turns(layout, 4, ArenaLayout::kChunk);
  const BucketPlan in_order(layout, 4, ArenaLayout::kChunk, BucketPlan::Owners::in_rank_order);
  for (int rank = 0; rank < 4; ++rank) {
    EXPECT_EQ(in_turns.owned_by(rank).size(), 3U);
    EXPECT_EQ(in_order.owned_by(rank).size(), rank == 3 ? 12U : 0U);
  }
}

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

using Make = std::function<std::unique_ptr<GradientExchange>(Communicator&, Device&, const ExchangeRequest&)>;

/// An exchange at the level of its interface: a rank's nodes lie in its buffers from the last to the first.
void expect_sums_and_sharing(const Make& make) {
  Communicator& world = world_communicator();
  const auto device = make_cpu_device();
  const int leaves = 3 * world.size();
  ExchangeRequest request;
  request.layout = ArenaLayout(std::vector<std::int64_t>{3 * ArenaLayout::kChunk + 5});
  request.leaves = leaves;
  request.bucket_elements = 2 * ArenaLayout::kChunk;
  const std::vector<TreeNode> nodes = cover(leaves, leaves_of_rank(leaves, world.size(), world.rank()));
  request.buffers = static_cast<int>(nodes.size());
  const auto exchange = make(world, *device, request);
  ASSERT_EQ(exchange->plan().buckets.size(), 2U);
  std::vector<int> buffers(nodes.size());
  std::iota(buffers.rbegin(), buffers.rend(), 0);

  const auto value_of = [](TreeNode node, std::int64_t element, int step) {
    return static_cast<float>((node.begin * 31 + node.end + element + step) % 1009) * 0.37F;
  };
  const RankTree tree(leaves, world.size());
  for (int step = 0; step < 3; ++step) {
    for (std::size_t b = 0; b < 2; ++b) {
      const ElementRange range = exchange->plan().buckets[b];
      for (std::size_t i = 0; i < nodes.size(); ++i)
        for (std::int64_t at = range.begin; at < range.end; ++at)
          exchange->buffer(buffers[i])[at] = value_of(nodes[i], at, step);
      exchange->publish(static_cast<int>(b), nodes, buffers);
    }
    exchange->finish();
    for (const ElementRange range : exchange->plan().owned_by(world.rank())) {
      std::vector<std::vector<float>> all;
      std::vector<const float*> inputs;
      for (int rank = 0; rank < world.size(); ++rank)
        for (const TreeNode node : tree.nodes_of(rank)) {
          auto& values = all.emplace_back();
          for (std::int64_t at = range.begin; at < range.end; ++at) values.push_back(value_of(node, at, step));
        }
      for (const auto& values : all) inputs.push_back(values.data());
      std::vector<float> expected(static_cast<std::size_t>(range.size()));
      device->kernels().run(
          calls::AddTree{.inputs = inputs, .postfix = tree.steps(), .out = expected.data(), .n = range.size()});
      const float* reduced = exchange->reduced() + range.begin;
      EXPECT_EQ(std::vector<float>(reduced, reduced + range.size()), expected);
      std::copy(expected.begin(), expected.end(), exchange->parameters() + range.begin);
      if (const double* squares = exchange->squares(); squares != nullptr) {
        constexpr std::int64_t kChunk = ArenaLayout::kChunk;
        std::vector<double> sums(static_cast<std::size_t>(range.size() / kChunk));
        device->kernels().run(calls::ChunkSquareSums{
            .x = reduced, .chunk = kChunk, .chunks = range.size() / kChunk, .sums = sums.data()});
        EXPECT_EQ(std::vector<double>(squares + range.begin / kChunk, squares + range.end / kChunk), sums);
      }
    }
    exchange->share_parameters();
    // Every rank has computed its own slices only, so what they say of the sum must be the same everywhere.
    const std::size_t elements = static_cast<std::size_t>(request.layout.elements());
    std::vector<float> everywhere(elements * static_cast<std::size_t>(world.size()));
    const std::span mine(exchange->parameters(), elements);
    world.all_gather(std::as_bytes(mine), std::as_writable_bytes(std::span(everywhere)));
    for (std::size_t i = 0; i < everywhere.size(); ++i) ASSERT_EQ(everywhere[i], mine[i % elements]) << i;
  }
}

Make make_with(bool share_memory) {
  return [share_memory](Communicator& communicator, Device& device, ExchangeRequest request) {
    request.share_memory = share_memory;
    return make_gradient_exchange(communicator, device, request);
  };
}

Make staged_with(bool share_memory) {
  return [share_memory](Communicator& communicator, Device& device, ExchangeRequest request) {
    request.share_memory = share_memory;
    return make_staged_exchange(communicator, device, request);
  };
}

/// As an optimizer does it: each rank writes its own slices of both arenas.
void expect_working_copies_follow_parameters(const Make& make) {
  Communicator& world = world_communicator();
  const auto device = make_cpu_device();
  ExchangeRequest request;
  request.layout = ArenaLayout(std::vector<std::int64_t>{5 * ArenaLayout::kChunk + 5});
  request.leaves = world.size();
  request.bucket_elements = 2 * ArenaLayout::kChunk;
  request.working = true;
  request.buffers = 2;
  const auto exchange = make(world, *device, request);
  ASSERT_NE(exchange->working(), nullptr);
  const auto value_of = [](std::int64_t element, int step) {
    return static_cast<float>(element * 31 + step) * 0.37F - 5e4F;
  };
  for (int step = 0; step < 3; ++step) {
    for (const ElementRange range : exchange->plan().owned_by(world.rank()))
      for (std::int64_t i = range.begin; i < range.end; ++i) {
        exchange->parameters()[i] = value_of(i, step);
        exchange->working()[i] = to_bfloat16(value_of(i, step));
      }
    // A gradient beside them must not reach into either arena.
    for (int i = 0; i < request.buffers; ++i) std::fill_n(exchange->buffer(i), request.layout.elements(), -1.0F);
    exchange->share_parameters();
    for (std::int64_t i = 0; i < request.layout.elements(); ++i) {
      ASSERT_EQ(exchange->parameters()[i], value_of(i, step)) << i;
      ASSERT_EQ(exchange->working()[i].bits, to_bfloat16(value_of(i, step)).bits) << i;
    }
    world.barrier();
  }
}

TEST(WindowExchange, WorkingCopiesFollowTheParameters) { expect_working_copies_follow_parameters(make_with(true)); }
TEST(MessageExchange, WorkingCopiesFollowTheParameters) { expect_working_copies_follow_parameters(make_with(false)); }

TEST(GradientExchange, HasNoWorkingCopiesUnlessAsked) {
  const auto device = make_cpu_device();
  ExchangeRequest request;
  request.layout = ArenaLayout(std::vector<std::int64_t>{7});
  for (const bool share_memory : {true, false}) {
    EXPECT_EQ(make_with(share_memory)(world_communicator(), *device, request)->working(), nullptr);
    request.working = true;
    EXPECT_EQ(staged_with(share_memory)(world_communicator(), *device, request)->working(), nullptr)
        << "a device rounds its own";
    request.working = false;
  }
}

TEST(WindowExchange, TakesSquaresWhereOneThreadAdds) {
  const auto device = make_cpu_device();
  ExchangeRequest request;
  request.layout = ArenaLayout(std::vector<std::int64_t>{7});
  const int before = cpu_threads();
  set_cpu_threads(1);
  EXPECT_NE(make_with(true)(world_communicator(), *device, request)->squares(), nullptr);
  expect_sums_and_sharing(make_with(true));
  set_cpu_threads(2);
  EXPECT_EQ(make_with(true)(world_communicator(), *device, request)->squares(), nullptr);
  expect_sums_and_sharing(make_with(true));
  set_cpu_threads(before);
}

TEST(WindowExchange, SumsAndShares) { expect_sums_and_sharing(make_with(true)); }
TEST(MessageExchange, SumsAndShares) { expect_sums_and_sharing(make_with(false)); }
TEST(StagedExchange, SumsAndSharesThroughAWindow) { expect_sums_and_sharing(staged_with(true)); }
TEST(StagedExchange, SumsAndSharesThroughMessages) { expect_sums_and_sharing(staged_with(false)); }

}  // namespace
}  // namespace temper
