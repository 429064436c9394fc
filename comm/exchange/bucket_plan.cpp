#include "comm/exchange/bucket_plan.h"

#include <algorithm>

namespace temper {

BucketPlan::BucketPlan(const ArenaLayout& layout, int ranks, std::int64_t bucket_elements, Owners owners) {
  constexpr std::int64_t kChunk = ArenaLayout::kChunk;
  const std::int64_t bucket_chunks = std::max<std::int64_t>(1, bucket_elements / kChunk);
  for (std::int64_t first = 0; first < layout.chunks(); first += bucket_chunks) {
    const std::int64_t last = std::min(first + bucket_chunks, layout.chunks());
    auto& of_ranks = slices.emplace_back();
    for (int rank = 0; rank < ranks; ++rank) {
      const std::size_t shift = owners == Owners::in_turns ? buckets.size() : 0;
      const auto turn =
          static_cast<std::int64_t>((static_cast<std::size_t>(rank) + shift) % static_cast<std::size_t>(ranks));
      of_ranks.push_back(
          {(first + (last - first) * turn / ranks) * kChunk, (first + (last - first) * (turn + 1) / ranks) * kChunk});
    }
    buckets.push_back({first * kChunk, last * kChunk});
  }
}

std::vector<ElementRange> BucketPlan::owned_by(int rank) const {
  std::vector<ElementRange> owned;
  for (const auto& of_ranks : slices)
    if (const ElementRange range = of_ranks[static_cast<std::size_t>(rank)]; range.size() > 0) owned.push_back(range);
  return owned;
}

std::int64_t BucketPlan::equal_slice(std::size_t bucket) const {
  const std::vector<ElementRange>& of_ranks = slices[bucket];
  const std::int64_t size = of_ranks.front().size();
  const bool equal =
      std::all_of(of_ranks.begin(), of_ranks.end(), [&](const ElementRange& range) { return range.size() == size; });
  return equal ? size : 0;
}

std::size_t BucketPlan::bucket_of(std::int64_t element) const {
  const auto found = std::partition_point(buckets.begin(), buckets.end(),
                                          [&](const ElementRange& bucket) { return bucket.end <= element; });
  return static_cast<std::size_t>(found - buckets.begin());
}

BucketPlan plan_buckets(const ArenaLayout& layout, int ranks, Route route, std::int64_t elements) {
  constexpr std::int64_t kElements = 1 << 20;
  return {layout, ranks, elements > 0 ? elements : kElements,
          route == Route::library ? BucketPlan::Owners::in_rank_order : BucketPlan::Owners::in_turns};
}

}  // namespace temper
