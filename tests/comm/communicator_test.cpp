// Every test runs on one rank and, under mpirun, on several.
#include "comm/communicator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <numeric>
#include <random>
#include <vector>

#include "base/error.h"
#include "base/process_identity.h"
#include "comm/exchange/node_window.h"
#include "comm/fixed_tree.h"
#include "tests/world.h"

namespace temper {
namespace {

class CommunicatorTest : public testing::Test {
 protected:
  Communicator& world_ = world_communicator();
  int rank_ = world_.rank();
  int size_ = world_.size();

  /// What rank `rank` contributes: the same on every rank that asks.
  static std::vector<float> contribution(int rank, std::size_t n) {
    std::mt19937 engine(static_cast<unsigned>(rank) + 1U);
    std::normal_distribution<float> normal(0.0F, 1000.0F);
    std::vector<float> values(n);
    for (float& value : values) value = normal(engine);
    return values;
  }
  std::vector<float> tree_sum_of_all(std::size_t n) const { return sum_of({0, size_}, n); }

 private:
  static std::vector<float> sum_of(TreeNode node, std::size_t n) {
    if (node.end - node.begin == 1) return contribution(node.begin, n);
    std::vector<float> left = sum_of({node.begin, tree_middle(node)}, n);
    const std::vector<float> right = sum_of({tree_middle(node), node.end}, n);
    for (std::size_t i = 0; i < n; ++i) left[i] += right[i];
    return left;
  }
};

TEST_F(CommunicatorTest, AllReduceOfFloatsGivesTheBitsOfTheFixedTree) {
  for (const std::size_t n : {0UL, 1UL, 3UL, 1000UL, 70'001UL}) {
    std::vector<float> values = contribution(rank_, n);
    world_.all_reduce(std::span(values), Reduction::sum);
    EXPECT_EQ(values, tree_sum_of_all(n)) << n;
  }
}

TEST_F(CommunicatorTest, AllReduceFindsTheLargestAndTheSmallest) {
  std::vector<float> values{static_cast<float>(rank_), static_cast<float>(-rank_), 4.0F};
  world_.all_reduce(std::span(values), Reduction::max);
  EXPECT_EQ(values, (std::vector<float>{static_cast<float>(size_ - 1), 0.0F, 4.0F}));
  values = {static_cast<float>(rank_), static_cast<float>(-rank_), 4.0F};
  world_.all_reduce(std::span(values), Reduction::min);
  EXPECT_EQ(values, (std::vector<float>{0.0F, static_cast<float>(1 - size_), 4.0F}));
}

TEST_F(CommunicatorTest, AllReduceOfWholeNumbersIsExact) {
  std::vector<std::int64_t> values{(std::int64_t{1} << 60) / size_, rank_, 1};
  world_.all_reduce(std::span(values), Reduction::sum);
  EXPECT_EQ(values[0], (std::int64_t{1} << 60) / size_ * size_);
  EXPECT_EQ(values[1], size_ * (size_ - 1) / 2);
  EXPECT_EQ(values[2], size_);
  values = {rank_, -rank_, 4};
  world_.all_reduce(std::span(values), Reduction::max);
  EXPECT_EQ(values, (std::vector<std::int64_t>{size_ - 1, 0, 4}));
  values = {rank_, -rank_, 4};
  world_.all_reduce(std::span(values), Reduction::min);
  EXPECT_EQ(values, (std::vector<std::int64_t>{0, 1 - size_, 4}));
}

TEST_F(CommunicatorTest, AllReduceOfDoublesGivesTheBitsOfTheFixedTreeAtEverySize) {
  // Small arrays are gathered, large ones reduced in slices.
  const auto mine = [](int rank, std::size_t i) {
    return std::sin(static_cast<double>(rank + 1) * 1e3 + 0.1 * static_cast<double>(i));
  };
  for (const std::size_t n : {0UL, 1UL, 3UL, 1000UL, 20'001UL}) {
    std::vector<double> values(n);
    for (std::size_t i = 0; i < n; ++i) values[i] = mine(rank_, i);
    std::vector<double> largest = values;
    world_.all_reduce(std::span(values), Reduction::sum);
    world_.all_reduce(std::span(largest), Reduction::max);
    std::vector<double> of_ranks(static_cast<std::size_t>(size_));
    for (std::size_t i = 0; i < n; ++i) {
      for (int rank = 0; rank < size_; ++rank) of_ranks[static_cast<std::size_t>(rank)] = mine(rank, i);
      ASSERT_EQ(values[i], tree_sum(of_ranks)) << i << " of " << n;
      ASSERT_EQ(largest[i], *std::max_element(of_ranks.begin(), of_ranks.end())) << i << " of " << n;
    }
  }
}

TEST_F(CommunicatorTest, AllReduceOfDoublesAddsZerosWithoutAChange) {
  std::vector<double> values(static_cast<std::size_t>(size_));
  values[static_cast<std::size_t>(rank_)] = 0.1 * (rank_ + 1);
  world_.all_reduce(std::span(values), Reduction::sum);
  for (int rank = 0; rank < size_; ++rank) EXPECT_EQ(values[static_cast<std::size_t>(rank)], 0.1 * (rank + 1));
}

TEST_F(CommunicatorTest, ReduceScatterGivesEachRankItsSliceAlsoAnEmptyOne) {
  // Rank 0 gets nothing where there are others; the rest is uneven.
  std::vector<std::int64_t> starts{0};
  for (int rank = 0; rank < size_; ++rank) starts.push_back(starts.back() + (rank == 0 && size_ > 1 ? 0 : 5 + rank));
  const auto n = static_cast<std::size_t>(starts.back());
  const std::vector<float> all = contribution(rank_, n);
  const auto first = static_cast<std::size_t>(starts[static_cast<std::size_t>(rank_)]);
  const auto last = static_cast<std::size_t>(starts[static_cast<std::size_t>(rank_) + 1]);
  std::vector<float> mine(last - first);
  world_.reduce_scatter(all, starts, mine);
  const std::vector<float> sum = tree_sum_of_all(n);
  EXPECT_EQ(mine, std::vector<float>(sum.begin() + static_cast<std::ptrdiff_t>(first),
                                     sum.begin() + static_cast<std::ptrdiff_t>(last)));
}

TEST_F(CommunicatorTest, AllGatherKeepsTheOrderOfRanks) {
  const std::vector<std::int32_t> mine{rank_, rank_ * 10};
  std::vector<std::int32_t> all(2 * static_cast<std::size_t>(size_));
  world_.all_gather(std::as_bytes(std::span(mine)), std::as_writable_bytes(std::span(all)));
  for (int rank = 0; rank < size_; ++rank) {
    EXPECT_EQ(all[2 * static_cast<std::size_t>(rank)], rank);
    EXPECT_EQ(all[2 * static_cast<std::size_t>(rank) + 1], rank * 10);
  }
}

TEST_F(CommunicatorTest, GathersPartsOfDifferentLength) {
  const std::vector<std::byte> mine(static_cast<std::size_t>(rank_) * 1000, static_cast<std::byte>(rank_));
  const auto parts = world_.all_gather_variable(mine);
  ASSERT_EQ(parts.size(), static_cast<std::size_t>(size_));
  for (int rank = 0; rank < size_; ++rank)
    EXPECT_EQ(parts[static_cast<std::size_t>(rank)],
              std::vector<std::byte>(static_cast<std::size_t>(rank) * 1000, static_cast<std::byte>(rank)));
}

TEST_F(CommunicatorTest, BroadcastReachesEveryRankFromAnyRoot) {
  for (int root = 0; root < size_; ++root) {
    std::vector<std::byte> bytes;
    if (rank_ == root) bytes.assign(777, static_cast<std::byte>(root + 1));
    world_.broadcast_variable(bytes, root);
    EXPECT_EQ(bytes, std::vector<std::byte>(777, static_cast<std::byte>(root + 1)));
  }
}

TEST_F(CommunicatorTest, ExchangesManyMessagesInOrderAlsoWithItself) {
  constexpr int kMessages = 5;
  std::vector<std::int32_t> sent;
  for (int to = 0; to < size_; ++to)
    for (int i = 0; i < kMessages; ++i) sent.push_back(rank_ * 1000 + to * 100 + i);
  std::vector<std::int32_t> received(sent.size());
  std::vector<Outgoing> outgoing;
  std::vector<Incoming> incoming;
  for (int other = 0; other < size_; ++other)
    for (int i = 0; i < kMessages; ++i) {
      const auto at = static_cast<std::size_t>(other * kMessages + i);
      outgoing.push_back({other, std::as_bytes(std::span(&sent[at], 1))});
      incoming.push_back({other, std::as_writable_bytes(std::span(&received[at], 1))});
    }
  world_.exchange(std::move(outgoing), std::move(incoming));
  for (int from = 0; from < size_; ++from)
    for (int i = 0; i < kMessages; ++i)
      EXPECT_EQ(received[static_cast<std::size_t>(from * kMessages + i)], from * 1000 + rank_ * 100 + i);
}

TEST_F(CommunicatorTest, OperationsOverlap) {
  constexpr std::size_t kOperations = 4;
  std::vector<std::vector<float>> values;
  std::vector<std::unique_ptr<Pending>> pending;
  for (std::size_t i = 0; i < kOperations; ++i) values.push_back(contribution(rank_, 5000 + i));
  for (auto& buffer : values) pending.push_back(world_.start_all_reduce(std::span(buffer), Reduction::sum));
  pending.push_back(world_.start_barrier());
  for (auto& operation : pending) operation->wait();
  for (std::size_t i = 0; i < kOperations; ++i) EXPECT_EQ(values[i], tree_sum_of_all(5000 + i));
}

TEST_F(CommunicatorTest, AWaitThatLastsTooLongEndsInAnError) {
  world_.set_timeout(0.02);
  EXPECT_THROW(world_.wait_until([] { return false; }, "a test"), Error);
  world_.set_timeout(600.0);
  world_.barrier();
}

TEST_F(CommunicatorTest, TheHookIsCalledWhileARankWaits) {
  int calls = 0;
  world_.set_wait_hook([&](const Wait& wait) {
    ++calls;
    EXPECT_STREQ(wait.what, "a test");
    EXPECT_GE(wait.seconds, 0.0);
  });
  world_.wait_until([&] { return calls >= 2; }, "a test");
  world_.set_wait_hook({});
  EXPECT_GE(calls, 2);
  world_.barrier();
}

TEST_F(CommunicatorTest, TheTopologyIsConsistent) {
  const NodeTopology& topology = world_.topology();
  EXPECT_GE(topology.local_rank, 0);
  EXPECT_LT(topology.local_rank, topology.local_size);
  EXPECT_LT(topology.node, topology.nodes);
  EXPECT_LE(topology.local_size, size_);
}

TEST_F(CommunicatorTest, EveryRankKnowsTheHostOfEachOther) {
  // All ranks of these tests are on one machine.
  for (int rank = 0; rank < size_; ++rank) EXPECT_EQ(world_.host_name(rank), host_name());
  EXPECT_EQ(world_.rank_name(size_ - 1),
            size_ == 1 ? "this process" : "rank " + std::to_string(size_ - 1) + " on " + host_name());
}

TEST_F(CommunicatorTest, RanksOfANodeSeeEachOthersWindow) {
  const auto window = make_node_window(world_, 100 + 1000 * static_cast<std::size_t>(rank_));
  const NodeTopology& topology = world_.topology();
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(window->mine().data()) % 4096, 0U);
  const auto number_of = [&](int local) {
    return std::atomic_ref(*reinterpret_cast<std::int32_t*>(window->part(local).data()));
  };
  EXPECT_EQ(number_of(topology.local_rank).load(), 0);
  number_of(topology.local_rank).store(topology.local_rank + 1, std::memory_order_release);
  for (int local = 0; local < topology.local_size; ++local)
    world_.wait_until([&] { return number_of(local).load(std::memory_order_acquire) == local + 1; }, "a window");
  world_.barrier();
}

}  // namespace
}  // namespace temper
