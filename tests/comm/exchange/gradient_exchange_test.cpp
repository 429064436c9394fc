#include "comm/exchange/gradient_exchange.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <ostream>
#include <vector>

#include "base/error.h"
#include "comm/exchange/device_exchange.h"
#include "comm/exchange/device_parameters.h"
#include "comm/exchange/parameter_exchange.h"
#include "comm/exchange/rank_tree.h"
#include "tests/distant_device.h"
#include "tests/world.h"

namespace temper {
namespace {

/// How arrays go from rank to rank.
struct ExchangeWay {
  bool staged;
  bool share_memory;
};

void PrintTo(const ExchangeWay& way, std::ostream* out) {
  *out << (way.staged ? "staged_" : "") << (way.share_memory ? "window" : "messages");
}

class Exchanges : public testing::TestWithParam<ExchangeWay> {
 protected:
  std::unique_ptr<GradientExchange> make_gradients(ExchangeRequest request) {
    request.links.share_memory = GetParam().share_memory;
    return GetParam().staged ? make_staged_exchange(world_, *device_, request)
                             : make_gradient_exchange(world_, *device_, request);
  }
  std::unique_ptr<ParameterExchange> make_parameters(ParameterRequest request) {
    request.links.share_memory = GetParam().share_memory;
    return GetParam().staged ? make_staged_parameters(world_, *device_, request)
                             : make_parameter_exchange(world_, *device_, request);
  }
  BucketPlan plan_of(const ArenaLayout& layout) {
    return plan_buckets(layout, world_.size(), Route::host, 5 * ArenaLayout::kChunk);
  }
  void expect_sums_and_sharing();

  Communicator& world_ = world_communicator();
  std::unique_ptr<Device> device_ = make_cpu_device();
};

/// At the level of the interfaces: a rank's nodes lie in its buffers from the last to the first.
void Exchanges::expect_sums_and_sharing() {
  const int leaves = 3 * world_.size();
  ExchangeRequest request;
  request.layout = ArenaLayout(std::vector<std::int64_t>{8 * ArenaLayout::kChunk + 5});
  request.plan = plan_of(request.layout);
  request.leaves = leaves;
  const std::vector<TreeNode> nodes = cover(leaves, leaves_of_rank(leaves, world_.size(), world_.rank()));
  request.buffers = static_cast<int>(nodes.size());
  GradientSquares squares(*device_, request.layout, request.plan.owned_by(world_.rank()));
  request.squares = &squares;
  const auto exchange = make_gradients(request);
  const auto parameters = make_parameters({.layout = request.layout, .plan = request.plan});
  ASSERT_EQ(exchange->plan().buckets.size(), 2U);
  std::vector<int> buffers(nodes.size());
  std::iota(buffers.rbegin(), buffers.rend(), 0);

  const auto value_of = [](TreeNode node, std::int64_t element, int step) {
    return static_cast<float>((node.begin * 31 + node.end + element + step) % 1009) * 0.37F;
  };
  const RankTree tree(leaves, world_.size());
  for (int step = 0; step < 3; ++step) {
    squares.begin_step();
    for (std::size_t b = 0; b < 2; ++b) {
      const ElementRange range = exchange->plan().buckets[b];
      for (std::size_t i = 0; i < nodes.size(); ++i)
        for (std::int64_t at = range.begin; at < range.end; ++at)
          exchange->buffer(buffers[i])[at] = value_of(nodes[i], at, step);
      exchange->publish(static_cast<int>(b), nodes, buffers);
    }
    exchange->finish();
    std::vector<double> sums(static_cast<std::size_t>(request.layout.chunks()), -1.0);
    squares.finish(exchange->reduced(), nullptr, sums.data());
    std::vector<double> expected_sums(sums.size(), -1.0);
    for (const ElementRange range : exchange->plan().owned_by(world_.rank())) {
      std::vector<std::vector<float>> all;
      std::vector<const float*> inputs;
      for (int rank = 0; rank < world_.size(); ++rank)
        for (const TreeNode node : tree.nodes_of(rank)) {
          auto& values = all.emplace_back();
          for (std::int64_t at = range.begin; at < range.end; ++at) values.push_back(value_of(node, at, step));
        }
      for (const auto& values : all) inputs.push_back(values.data());
      std::vector<float> expected(static_cast<std::size_t>(range.size()));
      device_->kernels().run(
          calls::AddTree{.inputs = inputs, .postfix = tree.steps(), .out = expected.data(), .n = range.size()});
      const float* reduced = exchange->reduced() + range.begin;
      EXPECT_EQ(std::vector<float>(reduced, reduced + range.size()), expected);
      std::copy(expected.begin(), expected.end(), parameters->parameters() + range.begin);
      constexpr std::int64_t chunk = ArenaLayout::kChunk;
      device_->kernels().run(calls::ChunkSquareSums{.x = reduced,
                                                    .chunk = chunk,
                                                    .chunks = range.size() / chunk,
                                                    .sums = expected_sums.data() + range.begin / chunk});
    }
    EXPECT_EQ(sums, expected_sums) << "chunks of others are left as they are";
    parameters->share(SharedRows::trained);
    // Every rank has computed its own slices only, so what they say of the sum must be the same everywhere.
    const std::size_t elements = static_cast<std::size_t>(request.layout.elements());
    std::vector<float> everywhere(elements * static_cast<std::size_t>(world_.size()));
    const std::span mine(parameters->parameters(), elements);
    world_.all_gather(std::as_bytes(mine), std::as_writable_bytes(std::span(everywhere)));
    for (std::size_t i = 0; i < everywhere.size(); ++i) ASSERT_EQ(everywhere[i], mine[i % elements]) << i;
  }
}

TEST_P(Exchanges, SumAndShare) {
  // One thread squares chunks while they are in the cache, several do so at the end.
  const int before = cpu_threads();
  for (const int threads : {1, 2}) {
    set_cpu_threads(threads);
    expect_sums_and_sharing();
  }
  set_cpu_threads(before);
}

TEST_P(Exchanges, WorkingCopiesFollowTheParameters) {
  ParameterRequest request;
  request.layout = ArenaLayout(std::vector<std::int64_t>{5 * ArenaLayout::kChunk + 5});
  request.plan = plan_of(request.layout);
  request.compute_copy = true;
  const auto exchange = make_parameters(request);
  if (GetParam().staged) {
    EXPECT_EQ(exchange->compute_copy(), nullptr) << "a device rounds its own";
    return;
  }
  ASSERT_NE(exchange->compute_copy(), nullptr);
  const auto value_of = [](std::int64_t element, int step) {
    return static_cast<float>(element * 31 + step) * 0.37F - 5e4F;
  };
  // As an optimizer does it: each rank writes its own slices of both arenas.
  for (int step = 0; step < 3; ++step) {
    for (const ElementRange range : request.plan.owned_by(world_.rank()))
      for (std::int64_t i = range.begin; i < range.end; ++i) {
        exchange->parameters()[i] = value_of(i, step);
        exchange->compute_copy()[i] = to_bfloat16(value_of(i, step));
      }
    exchange->share(SharedRows::trained);
    for (std::int64_t i = 0; i < request.layout.elements(); ++i) {
      ASSERT_EQ(exchange->parameters()[i], value_of(i, step)) << i;
      ASSERT_EQ(exchange->compute_copy()[i].bits, to_bfloat16(value_of(i, step)).bits) << i;
    }
    world_.barrier();
  }
}

TEST_P(Exchanges, HaveNoWorkingCopiesUnlessAsked) {
  ParameterRequest request;
  request.layout = ArenaLayout(std::vector<std::int64_t>{7});
  request.plan = plan_of(request.layout);
  EXPECT_EQ(make_parameters(request)->compute_copy(), nullptr);
}

INSTANTIATE_TEST_SUITE_P(Ways, Exchanges,
                         testing::Values(ExchangeWay{false, true}, ExchangeWay{false, false}, ExchangeWay{true, true},
                                         ExchangeWay{true, false}),
                         [](const auto& which) { return testing::PrintToString(which.param); });

TEST(ErrorFeedback, WhatRoundingTookIsSentInTheNextStep) {
  ErrorFeedback feedback(8);
  const std::vector<ElementRange> ranges{{1, 2}, {5, 7}};
  const std::vector<float> values{1.001F, 3.0F, -2.003F};
  std::vector<float> owed(values.size());
  for (int step = 0; step < 4; ++step) {
    const std::vector<BFloat16> sent = feedback.round(1, ranges, values);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const float whole = values[i] + owed[i];
      EXPECT_EQ(to_float(sent[i]), to_float(to_bfloat16(whole)));
      owed[i] = whole - to_float(sent[i]);
    }
    EXPECT_NE(owed[0], 0.0F);
  }
  EXPECT_EQ(to_float(feedback.round(0, ranges, values)[0]), to_float(to_bfloat16(values[0]))) << "another array's";
  feedback.reset();
  EXPECT_EQ(to_float(feedback.round(1, ranges, values)[0]), to_float(to_bfloat16(values[0])));
}

TEST(GradientExchange, RefusesWhatADeviceCannot) {
  testing_support::DistantDevice device;
  Communicator& world = world_communicator();
  ExchangeRequest request;
  request.layout = ArenaLayout(std::vector<std::int64_t>{7});
  request.plan = plan_buckets(request.layout, world.size(), route_of(world, device, {}));
  ErrorFeedback residuals(request.layout.elements());
  request.residuals = &residuals;
  EXPECT_THROW(make_gradient_exchange(world, device, request), Error);
  const SparseTable table{0, 1, RowSet::all(7)};
  EXPECT_THROW(make_parameter_exchange(world, device, {.layout = request.layout, .plan = request.plan, .table = table}),
               Error);
}

}  // namespace
}  // namespace temper
