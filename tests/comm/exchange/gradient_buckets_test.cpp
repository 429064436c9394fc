#include "comm/exchange/gradient_buckets.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <ostream>
#include <string>
#include <vector>

#include "comm/exchange/parameter_exchange.h"
#include "tensor/device.h"
#include "tests/distant_device.h"
#include "tests/world.h"

namespace temper {
namespace {

using testing_support::DistantDevice;

/// The gradient of one grain: a pure function of grain and element.
float gradient_of(int grain, std::int64_t element) {
  return static_cast<float>((element * 2654435761LL + grain * 40503LL) % 100'003) * 1e-3F - 50.0F;
}

float tree_value(TreeNode node, std::int64_t element) {
  if (node.end - node.begin == 1) return gradient_of(node.begin, element);
  const int cut = tree_middle(node);
  return tree_value({node.begin, cut}, element) + tree_value({cut, node.end}, element);
}

/// How the ranks' gradients meet: each is one implementation of GradientExchange, or one over another.
enum class BucketWay : std::uint8_t { window, message, staged_window, staged_message };

struct BucketCase {
  int leaves;
  BucketWay way;
};

std::string name_of(const BucketCase& which) {
  constexpr std::array kWays{"window", "message", "staged_window", "staged_message"};
  return std::to_string(which.leaves) + "_" + kWays.at(static_cast<std::size_t>(which.way));
}

void PrintTo(const BucketCase& which, std::ostream* out) { *out << name_of(which); }

class GradientBucketsTest : public testing::TestWithParam<BucketCase> {
 protected:
  void SetUp() override {
    const BucketWay way = GetParam().way;
    if (way == BucketWay::staged_window || way == BucketWay::staged_message) {
      device_ = std::make_unique<DistantDevice>();
    } else {
      device_ = make_cpu_device();
    }
    options_.links.share_memory = way == BucketWay::window || way == BucketWay::staged_window;
  }
  BucketPlan plan() {
    return plan_buckets(layout_, world_.size(), route_of(world_, *device_, options_.links), 3 * ArenaLayout::kChunk);
  }
  GradientBuckets make_buckets() { return {world_, *device_, layout_, plan(), GetParam().leaves, options_}; }
  std::unique_ptr<ParameterExchange> make_parameters() {
    return make_parameter_exchange(world_, *device_, {.layout = layout_, .plan = plan(), .links = options_.links});
  }

  /// Runs one step in which slot `skipped` gets no gradient, and compares the own slices.
  void run_step(GradientBuckets& buckets, int leaves, std::int64_t skipped) {
    buckets.begin_step();
    const TreeNode own = buckets.own_grains();
    for (int grain = own.begin; grain < own.end; ++grain) {
      float* gradients = buckets.begin_grain();
      for (std::int64_t slot = 0; slot < static_cast<std::int64_t>(layout_.slots().size()); ++slot) {
        if (slot == skipped) continue;
        const ArenaSlot place = layout_.slots()[static_cast<std::size_t>(slot)];
        for (std::int64_t i = place.begin; i < place.begin + place.size; ++i) gradients[i] = gradient_of(grain, i);
        buckets.complete(slot);
      }
      buckets.end_grain();
    }
    buckets.finish();
    const float* reduced = buckets.reduced();
    for (const ElementRange range : buckets.plan().owned_by(world_.rank())) {
      for (std::size_t slot = 0; slot < layout_.slots().size(); ++slot) {
        const ArenaSlot place = layout_.slots()[slot];
        const std::int64_t begin = std::max(place.begin, range.begin);
        const std::int64_t end = std::min(place.begin + place.size, range.end);
        for (std::int64_t i = begin; i < end; ++i) {
          const bool cleared = static_cast<std::int64_t>(slot) == skipped;
          ASSERT_EQ(reduced[i], cleared ? 0.0F : tree_value({0, leaves}, i)) << "element " << i;
        }
      }
    }
  }

  Communicator& world_ = world_communicator();
  std::unique_ptr<Device> device_;
  BucketOptions options_;
  /// Of three stages.
  ArenaLayout layout_{std::vector<std::int64_t>{70'000, 5, 40'000, 384, 120'001},
                      std::vector<std::int64_t>{2, 2, 1, 1, 0}};
};

TEST_P(GradientBucketsTest, OwnSlicesHoldTheTreeSumStepAfterStep) {
  GradientBuckets buckets = make_buckets();
  for (const std::int64_t skipped : {-1, 2, -1}) {
    run_step(buckets, GetParam().leaves, skipped);
    world_.barrier();
  }
}

TEST_P(GradientBucketsTest, UpdatedParametersReachEveryRank) {
  const auto exchange = make_parameters();
  float* parameters = exchange->parameters();
  for (const ElementRange range : plan().owned_by(world_.rank()))
    for (std::int64_t i = range.begin; i < range.end; ++i) parameters[i] = static_cast<float>(i);
  exchange->share(SharedRows::trained);
  exchange->wait();
  for (std::int64_t i = 0; i < layout_.elements(); ++i) ASSERT_EQ(parameters[i], static_cast<float>(i));
  world_.barrier();
}

TEST_P(GradientBucketsTest, StepsAndSharingTakeTurns) {
  GradientBuckets buckets = make_buckets();
  const auto exchange = make_parameters();
  float* parameters = exchange->parameters();
  for (int step = 0; step < 3; ++step) {
    run_step(buckets, GetParam().leaves, -1);
    // An update of the kind that an optimizer makes: of the own slices, from the reduced gradients.
    for (const ElementRange range : buckets.plan().owned_by(world_.rank()))
      for (std::int64_t i = range.begin; i < range.end; ++i)
        parameters[i] = buckets.reduced()[i] + static_cast<float>(step);
    exchange->share(SharedRows::trained);
    for (const ArenaSlot& slot : layout_.slots())
      for (std::int64_t i = slot.begin; i < slot.begin + slot.size; ++i)
        ASSERT_EQ(parameters[i], tree_value({0, GetParam().leaves}, i) + static_cast<float>(step));
    world_.barrier();
  }
}

TEST_P(GradientBucketsTest, WhatIsNoParameterCountsAsZero) {
  GradientBuckets buckets = make_buckets();
  run_step(buckets, GetParam().leaves, -1);
  const float* reduced = buckets.reduced();
  for (const ElementRange range : buckets.plan().owned_by(world_.rank()))
    for (std::int64_t i = range.begin; i < range.end; ++i) {
      const bool in_slot = std::any_of(layout_.slots().begin(), layout_.slots().end(), [&](const ArenaSlot& slot) {
        return slot.begin <= i && i < slot.begin + slot.size;
      });
      if (!in_slot) {
        ASSERT_EQ(reduced[i], 0.0F) << "element " << i;
      }
    }
  world_.barrier();
}

class StagedBucketsTest : public GradientBucketsTest {};

TEST_P(StagedBucketsTest, CarryEachBucketOnceThereAndBack) {
  const auto& distant = dynamic_cast<const DistantDevice&>(*device_);
  GradientBuckets buckets = make_buckets();
  const auto parameters = make_parameters();
  const std::size_t bytes = static_cast<std::size_t>(layout_.elements()) * sizeof(float);
  const auto& memory = distant.distant_memory();
  EXPECT_TRUE(memory.holds(parameters->parameters(), bytes));
  EXPECT_TRUE(memory.holds(buckets.reduced(), bytes));
  // A step carries each of the rank's nodes down once and its slices up once.
  const TreeNode grains = buckets.own_grains();
  const std::size_t nodes = cover(GetParam().leaves, grains).size();
  std::size_t own_bytes = 0;
  for (const ElementRange range : buckets.plan().owned_by(world_.rank()))
    own_bytes += static_cast<std::size_t>(range.size()) * sizeof(float);
  if (world_.size() == 1) {
    run_step(buckets, GetParam().leaves, -1);
    parameters->share(SharedRows::trained);
    EXPECT_EQ(distant.downloaded + distant.uploaded, 0U) << "one rank alone has nobody to give anything to";
    return;
  }
  run_step(buckets, GetParam().leaves, -1);
  EXPECT_EQ(distant.downloaded, nodes * bytes);
  EXPECT_EQ(distant.uploaded, own_bytes);
  parameters->share(SharedRows::trained);
  EXPECT_EQ(distant.downloaded, nodes * bytes + own_bytes);
  EXPECT_EQ(distant.uploaded, bytes) << "the own slices are there already";
  world_.barrier();
}

INSTANTIATE_TEST_SUITE_P(GrainsAndWays, GradientBucketsTest,
                         testing::Values(BucketCase{1, BucketWay::window}, BucketCase{2, BucketWay::window},
                                         BucketCase{3, BucketWay::window}, BucketCase{8, BucketWay::window},
                                         BucketCase{1, BucketWay::message}, BucketCase{2, BucketWay::message},
                                         BucketCase{5, BucketWay::message}, BucketCase{8, BucketWay::message},
                                         BucketCase{1, BucketWay::staged_window},
                                         BucketCase{3, BucketWay::staged_window},
                                         BucketCase{8, BucketWay::staged_window},
                                         BucketCase{2, BucketWay::staged_message},
                                         BucketCase{5, BucketWay::staged_message}),
                         [](const auto& which) { return name_of(which.param); });
INSTANTIATE_TEST_SUITE_P(Grains, StagedBucketsTest,
                         testing::Values(BucketCase{1, BucketWay::staged_window},
                                         BucketCase{3, BucketWay::staged_window},
                                         BucketCase{8, BucketWay::staged_message}),
                         [](const auto& which) { return name_of(which.param); });

}  // namespace
}  // namespace temper
