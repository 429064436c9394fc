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

}  // namespace temper
