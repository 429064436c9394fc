#include "comm/exchange/bucket_plan.h"

#include <algorithm>

#include "base/error.h"

namespace temper {

BucketPlan::BucketPlan(const ArenaLayout& layout, int ranks, std::int64_t bucket_elements, Owners owners) {
  constexpr std::int64_t kChunk = ArenaLayout::kChunk;
  const std::int64_t wanted = std::max<std::int64_t>(1, bucket_elements / kChunk);
  for (const ElementRange section : layout.sections()) {
    const std::int64_t chunks = section.size() / kChunk;
    const std::int64_t rounds = chunks / ranks;  // a chunk for each rank
    const std::int64_t count =
        std::clamp<std::int64_t>((chunks + wanted - 1) / wanted, 1, std::max<std::int64_t>(rounds, 1));
    const std::int64_t first = section.begin / kChunk;
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t end = i + 1 == count ? chunks : rounds * (i + 1) / count * ranks;
      add_bucket(first + rounds * i / count * ranks, first + end, ranks, owners);
    }
  }
}

void BucketPlan::add_bucket(std::int64_t first, std::int64_t last, int ranks, Owners owners) {
  constexpr std::int64_t kChunk = ArenaLayout::kChunk;
  const std::size_t shift = owners == Owners::in_turns ? buckets.size() : 0;
  std::vector<ElementRange>& of_ranks = slices.emplace_back();
  for (int rank = 0; rank < ranks; ++rank) {
    const auto turn =
        static_cast<std::int64_t>((static_cast<std::size_t>(rank) + shift) % static_cast<std::size_t>(ranks));
    of_ranks.push_back(
        {(first + (last - first) * turn / ranks) * kChunk, (first + (last - first) * (turn + 1) / ranks) * kChunk});
  }
  buckets.push_back({first * kChunk, last * kChunk});
}

std::vector<ElementRange> BucketPlan::owned_by(int rank) const {
  std::vector<ElementRange> owned;
  for (const auto& of_ranks : slices)
    if (const ElementRange range = of_ranks[static_cast<std::size_t>(rank)]; range.size() > 0) owned.push_back(range);
  return owned;
}

std::int64_t BucketPlan::equal_slice(std::size_t bucket) const {
  const std::int64_t size = slices[bucket].front().size();
  for (const ElementRange range : slices[bucket])
    if (range.size() != size)
      throw Error("bucket {} of the arena has slices of {} and of {} elements, but GPUs exchange equal ones", bucket,
                  size, range.size());
  return size;
}

std::size_t BucketPlan::bucket_of(std::int64_t element) const {
  const auto found = std::partition_point(buckets.begin(), buckets.end(),
                                          [&](const ElementRange& bucket) { return bucket.end <= element; });
  return static_cast<std::size_t>(found - buckets.begin());
}

std::int64_t section_chunks(int ranks, Route route) { return route == Route::library ? ranks : 1; }

BucketPlan plan_buckets(const ArenaLayout& layout, int ranks, Route route, std::int64_t elements) {
  // On the host a bucket is summed while the processor's caches still have part of it. To GPUs each costs a group of
  // NCCL, some 50 us of the thread that feeds them, and a link is busy from tens of MiB on.
  constexpr std::int64_t kHostElements = 1 << 20;
  constexpr std::int64_t kLibraryElements = 8 << 20;
  const bool library = route == Route::library;
  if (elements <= 0) elements = library ? kLibraryElements : kHostElements;
  return {layout, ranks, elements, library ? BucketPlan::Owners::in_rank_order : BucketPlan::Owners::in_turns};
}

}  // namespace temper
