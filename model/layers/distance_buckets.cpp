#include "model/layers/distance_buckets.h"

#include <algorithm>
#include <vector>

#include "base/error.h"

namespace temper {
namespace {

std::vector<std::int32_t> buckets_by_distance(std::int64_t reach,
                                              const std::function<std::int64_t(std::int64_t)>& bucket_of) {
  std::vector<std::int32_t> buckets;
  for (std::int64_t distance = 1 - reach; distance < reach; ++distance)
    buckets.push_back(static_cast<std::int32_t>(bucket_of(distance)));
  return buckets;
}

}  // namespace

DistanceBuckets::DistanceBuckets(std::int64_t reach, const std::function<std::int64_t(std::int64_t)>& bucket_of)
    : reach_(reach), buckets_(buckets_by_distance(reach, bucket_of)) {}

DistanceBuckets::Range DistanceBuckets::range(std::int64_t longest) const {
  if (longest > reach_)
    throw Error("a sequence has {} tokens, but the model's relative positions reach no further than {}", longest,
                reach_);
  if (longest == 0) return {0, 1};
  const auto middle = buckets_.values().begin() + reach_ - 1;
  const auto [least, most] = std::minmax_element(middle - (longest - 1), middle + longest);
  return {*least, *most - *least + 1};
}

DistanceTerms DistanceBuckets::terms(Device& device, const Range& range) const {
  DistanceTerms terms;
  terms.buckets = buckets_.on(device);
  terms.first_bucket = range.first;
  terms.count = range.count;
  return terms;
}

}  // namespace temper
