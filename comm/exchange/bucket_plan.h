// How an arena is cut for the exchange: buckets, which travel as soon as backward has finished them, and the slices of
// each bucket that ranks own. No bucket has parameters of two stages, so none waits for a stage that has not begun.
#pragma once

#include <cstdint>
#include <vector>

#include "comm/exchange/rank_links.h"
#include "tensor/arena.h"

namespace temper {

/// The buckets of an arena and who owns what of them.
struct BucketPlan {
  std::vector<ElementRange> buckets;
  /// slices[bucket][rank]: multiples of a chunk, together the bucket. With `in_turns`, the first owner changes from
  /// bucket to bucket, so that small buckets do not all go to the same ranks; library collectives need rank order.
  std::vector<std::vector<ElementRange>> slices;

  enum class Owners : std::uint8_t { in_turns, in_rank_order };

  BucketPlan() = default;
  /// Sections of the layout are cut into buckets of about so many elements, of a multiple of `ranks` chunks, and so
  /// into equal slices; what remains of a section makes the slices of its last bucket unequal. A bucket is never
  /// smaller than a chunk per rank, unless its section is.
  BucketPlan(const ArenaLayout& layout, int ranks, std::int64_t bucket_elements, Owners owners = Owners::in_turns);
  /// The ranges of one rank, ascending.
  [[nodiscard]] std::vector<ElementRange> owned_by(int rank) const;
  /// Elements of each rank's slice of this bucket. Throws Error where they have not the same number: collectives of a
  /// library want that, and a layout whose sections have a multiple of `ranks` chunks gives it.
  [[nodiscard]] std::int64_t equal_slice(std::size_t bucket) const;
  /// The bucket in which an element lies.
  [[nodiscard]] std::size_t bucket_of(std::int64_t element) const;

 private:
  /// Chunks [first, last).
  void add_bucket(std::int64_t first, std::int64_t last, int ranks, Owners owners);
};

/// How many chunks a section of the layout should have a multiple of: one per rank where a library reduces.
std::int64_t section_chunks(int ranks, Route route);

/// For a device's route. `elements`: of a bucket, about; 0: as many as suit the route.
BucketPlan plan_buckets(const ArenaLayout& layout, int ranks, Route route, std::int64_t elements = 0);

}  // namespace temper
