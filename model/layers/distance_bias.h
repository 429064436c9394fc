// A number for each distance and head, added to the scores: one table for all tokens and, as a rule, for all blocks
// (Raffel et al.: "Exploring the limits of transfer learning with a unified text-to-text transformer", 2020, 2.1).
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "model/layers/distance_buckets.h"
#include "model/parameter.h"

namespace temper {

class DistanceBias {
 public:
  /// Adds `name`.weight [entries, heads].
  DistanceBias(const ParameterPlace& place, const std::string& name, std::int64_t entries, std::int64_t heads,
               DistanceBuckets buckets)
      : table_(place.within(name).add("weight", {entries, heads}, place.weights)), buckets_(std::move(buckets)) {}

  /// Throws Error for sequences of more tokens than the buckets reach.
  [[nodiscard]] DistanceTerms terms(Device& device, std::int64_t longest) const {
    (void)buckets_.range(longest);
    DistanceTerms terms = buckets_.terms(device, {0, table_.shape()[0]});
    terms.query = table_;
    terms.one_row_for_all = true;
    return terms;
  }

 private:
  Variable table_;
  DistanceBuckets buckets_;
};

}  // namespace temper
