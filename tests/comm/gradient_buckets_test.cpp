#include "comm/gradient_buckets.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "tensor/device.h"
#include "tests/world.h"

namespace temper {
namespace {

/// The gradient of one grain: a pure function of grain and element.
float gradient_of(int grain, std::int64_t element) {
  return static_cast<float>((element * 2654435761LL + grain * 40503LL) % 100'003) * 1e-3F - 50.0F;
}

float tree_value(TreeNode node, std::int64_t element) {
  if (node.end - node.begin == 1) return gradient_of(node.begin, element);
  const int cut = tree_middle(node);
  return tree_value({node.begin, cut}, element) + tree_value({cut, node.end}, element);
}

class GradientBucketsTest : public testing::TestWithParam<std::pair<int, bool>> {
 protected:
  Communicator& world_ = world_communicator();
  std::unique_ptr<Device> device_ = make_cpu_device();
  ArenaLayout layout_{std::vector<std::int64_t>{70'000, 5, 40'000, 384, 120'001}};

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
    const float* reduced = buckets.exchange().reduced();
    for (const ElementRange range : buckets.exchange().plan().owned_by(world_.rank())) {
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
};

TEST_P(GradientBucketsTest, OwnSlicesHoldTheTreeSumStepAfterStep) {
  const auto [leaves, share_memory] = GetParam();
  GradientBuckets buckets(world_, device_->kernels(), layout_, leaves, 3 * ArenaLayout::kChunk, share_memory);
  for (const std::int64_t skipped : {-1, 2, -1}) {
    run_step(buckets, leaves, skipped);
    buckets.exchange().share_parameters();
  }
}

TEST_P(GradientBucketsTest, UpdatedParametersReachEveryRank) {
  const auto [leaves, share_memory] = GetParam();
  GradientBuckets buckets(world_, device_->kernels(), layout_, leaves, 3 * ArenaLayout::kChunk, share_memory);
  GradientExchange& exchange = buckets.exchange();
  for (const ElementRange range : exchange.plan().owned_by(world_.rank()))
    for (std::int64_t i = range.begin; i < range.end; ++i)
      exchange.parameters()[static_cast<std::size_t>(i)] = static_cast<float>(i);
  exchange.share_parameters();
  for (std::int64_t i = 0; i < layout_.elements(); ++i)
    ASSERT_EQ(exchange.parameters()[static_cast<std::size_t>(i)], static_cast<float>(i));
  world_.barrier();
}

TEST(BucketPlan, SlicesMakeUpEveryBucket) {
  const ArenaLayout layout{std::vector<std::int64_t>{1'000'000, 7}};
  for (int ranks = 1; ranks <= 9; ++ranks) {
    const BucketPlan plan(layout, ranks, 5 * ArenaLayout::kChunk);
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

INSTANTIATE_TEST_SUITE_P(GrainsAndWays, GradientBucketsTest,
                         testing::Values(std::pair{1, true}, std::pair{2, true}, std::pair{3, true}, std::pair{8, true},
                                         std::pair{1, false}, std::pair{2, false}, std::pair{5, false},
                                         std::pair{8, false}));

}  // namespace
}  // namespace temper
