// Buckets of the distances between tokens, for attention that reads relative positions.
#pragma once

#include <cstdint>
#include <functional>

#include "tensor/constant_array.h"
#include "tensor/ops.h"

namespace temper {

/// Half of the buckets for keys behind the query and half for those before it; in each half, the first half are of one
/// distance each, and from there on they widen as the logarithm does up to `farthest` (Raffel et al.: "Exploring the
/// limits of transfer learning with a unified text-to-text transformer", 2020, 2.1). In f32, as transformers computes
/// it.
std::int64_t halved_logarithmic_bucket(std::int64_t distance, std::int64_t buckets, std::int64_t farthest);

/// From -buckets to buckets, at most: distances of up to half of that, either way, are their own bucket, and from there
/// on they widen as the logarithm does, so that `farthest` - 1 would have the last but one (He, Liu, Gao, Chen:
/// DeBERTa's second version, 2021). buckets > 1, farthest - 1 > buckets / 2. In f32, as transformers computes it.
std::int64_t signed_logarithmic_bucket(std::int64_t distance, std::int64_t buckets, std::int64_t farthest);

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
