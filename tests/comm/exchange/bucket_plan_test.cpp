#include "comm/exchange/bucket_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "base/error.h"

namespace temper {
namespace {

constexpr std::int64_t kChunk = ArenaLayout::kChunk;

/// A head, three blocks and a table, from the top down.
const std::vector<std::int64_t> kSizes{1000, 9, 20 * kChunk + 7, 400, 20 * kChunk, 20 * kChunk, 101 * kChunk};
const std::vector<std::int64_t> kStages{4, 4, 3, 3, 2, 1, 0};

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
  // Stages of one chunk: in rank order the last rank would own them all.
  std::vector<std::int64_t> stages(12);
  std::iota(stages.rbegin(), stages.rend(), 0);
  const ArenaLayout layout(std::vector<std::int64_t>(12, 9), stages);
  const BucketPlan in_turns(layout, 4, ArenaLayout::kChunk);
  const BucketPlan in_order(layout, 4, ArenaLayout::kChunk, BucketPlan::Owners::in_rank_order);
  for (int rank = 0; rank < 4; ++rank) {
    EXPECT_EQ(in_turns.owned_by(rank).size(), 3U);
    EXPECT_EQ(in_order.owned_by(rank).size(), rank == 3 ? 12U : 0U);
  }
}

TEST(BucketPlan, FindsTheBucketOfAnElement) {
  const ArenaLayout layout{std::vector<std::int64_t>{5 * ArenaLayout::kChunk}};
  const BucketPlan plan(layout, 1, 2 * ArenaLayout::kChunk);
  ASSERT_EQ(plan.buckets.size(), 3U);
  for (std::size_t b = 0; b < plan.buckets.size(); ++b) {
    EXPECT_EQ(plan.bucket_of(plan.buckets[b].begin), b);
    EXPECT_EQ(plan.bucket_of(plan.buckets[b].end - 1), b);
  }
}

TEST(BucketPlan, BucketsEndWhereStagesDo) {
  for (int ranks = 1; ranks <= 9; ++ranks)
    for (const std::int64_t chunks : {1, 5, 8, 64, 1000}) {
      const ArenaLayout layout(kSizes, kStages);
      const BucketPlan plan(layout, ranks, chunks * kChunk);
      for (std::size_t slot = 1; slot < kStages.size(); ++slot) {
        const std::int64_t begin = layout.slots()[slot].begin;
        if (kStages[slot] == kStages[slot - 1]) continue;
        EXPECT_EQ(plan.buckets[plan.bucket_of(begin)].begin, begin) << ranks << " ranks, stage " << kStages[slot];
      }
    }
}

TEST(BucketPlan, ABucketIsNearTheWantedSizeAndHasAChunkForEachRank) {
  const ArenaLayout layout(kSizes, kStages);
  for (int ranks = 1; ranks <= 12; ++ranks)
    for (const std::int64_t wanted : {1, 5, 8, 64}) {
      const BucketPlan plan(layout, ranks, wanted * kChunk);
      for (const ElementRange section : layout.sections()) {
        const std::size_t first = plan.bucket_of(section.begin);
        const std::size_t last = plan.bucket_of(section.end - 1);
        EXPECT_LE(static_cast<std::int64_t>(last - first), section.size() / (wanted * kChunk));
        for (std::size_t b = first; b <= last; ++b) {
          const std::int64_t chunks = plan.buckets[b].size() / kChunk;
          EXPECT_GE(chunks, std::min<std::int64_t>(ranks, section.size() / kChunk));
          EXPECT_LE(chunks, std::max<std::int64_t>(wanted, ranks) + 2 * ranks) << ranks << " ranks, " << wanted;
          // Only what remains of a stage is dealt out unequally.
          if (b < last) {
            EXPECT_EQ(plan.equal_slice(b), plan.buckets[b].size() / ranks);
          }
        }
      }
    }
}

TEST(BucketPlan, SlicesAreEqualWhereStagesHaveAChunkForEachRank) {
  for (int ranks = 1; ranks <= 130; ranks += ranks < 9 ? 1 : 11) {
    const ArenaLayout layout(kSizes, kStages, section_chunks(ranks, Route::library));
    const BucketPlan plan = plan_buckets(layout, ranks, Route::library);
    std::int64_t owned = 0;
    for (std::size_t b = 0; b < plan.buckets.size(); ++b) owned += plan.equal_slice(b);
    EXPECT_EQ(owned * ranks, layout.elements()) << ranks << " ranks";
    for (const ElementRange range : plan.owned_by(ranks - 1)) owned -= range.size();
    EXPECT_EQ(owned, 0) << "every rank owns as much";
  }
}

TEST(BucketPlan, SaysWhichSlicesAreUnequal) {
  const ArenaLayout layout(kSizes, kStages);
  const BucketPlan plan(layout, 2, 64 * kChunk);
  EXPECT_THROW((void)plan.equal_slice(0), Error) << "a head of one chunk, for two ranks";
}

TEST(BucketPlan, TakesLargerBucketsToALibrary) {
  const std::vector<std::int64_t> size{1000 * kChunk};
  EXPECT_EQ(plan_buckets(ArenaLayout(size), 1, Route::host).buckets.size(), 16U);
  EXPECT_EQ(plan_buckets(ArenaLayout(size), 1, Route::staged).buckets.size(), 16U);
  EXPECT_EQ(plan_buckets(ArenaLayout(size), 1, Route::library).buckets.size(), 2U);
  EXPECT_EQ(plan_buckets(ArenaLayout(size), 1, Route::library, 100 * kChunk).buckets.size(), 10U) << "as asked";
}

}  // namespace
}  // namespace temper
