// Buckets of the distances between tokens, for attention that reads relative positions.
#pragma once

#include <cstdint>
#include <functional>

#include "tensor/constant_array.h"
#include "tensor/ops.h"

namespace temper {

class DistanceBuckets {
 public:
  /// bucket_of(distance), for distances (position of the query minus that of the key) of less than `reach` either way.
  DistanceBuckets(std::int64_t reach, const std::function<std::int64_t(std::int64_t distance)>& bucket_of);

  /// Buckets [first, first + count).
  struct Range {
    std::int64_t first;
    std::int64_t count;
  };
  /// Those that occur in sequences of at most `longest` tokens, and perhaps some in between.
  [[nodiscard]] Range range(std::int64_t longest) const;
  /// What attention reads of them; the terms themselves, and their scale, are to be filled in. Throws Error for
  /// sequences that are longer than the reach.
  [[nodiscard]] DistanceTerms terms(Device& device, const Range& range) const;

 private:
  std::int64_t reach_;
  ConstantArray<std::int32_t> buckets_;
};

}  // namespace temper
