#include "model/layers/distance_buckets.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
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

std::int64_t halved_logarithmic_bucket(std::int64_t distance, std::int64_t buckets, std::int64_t farthest) {
  const std::int64_t half = buckets / 2;
  const std::int64_t exact = half / 2;
  const std::int64_t side = distance < 0 ? half : 0;
  const std::int64_t size = std::abs(distance);
  if (size < exact) return side + size;
  const auto scale = static_cast<float>(std::log(static_cast<double>(farthest) / static_cast<double>(exact)));
  const float share = std::log(static_cast<float>(size) / static_cast<float>(exact)) / scale;
  const auto beyond = static_cast<std::int64_t>(share * static_cast<float>(half - exact));
  return side + std::min(exact + beyond, half - 1);
}

std::int64_t signed_logarithmic_bucket(std::int64_t distance, std::int64_t buckets, std::int64_t farthest) {
  const std::int64_t middle = buckets / 2;
  const std::int64_t size = std::abs(distance);
  if (size <= middle) return distance;
  const auto ratio = static_cast<double>(farthest - 1) / static_cast<double>(middle);
  const float share =
      std::log(static_cast<float>(size) / static_cast<float>(middle)) / std::log(static_cast<float>(ratio));
  const float bucket = std::ceil(share * static_cast<float>(middle - 1)) + static_cast<float>(middle);
  return static_cast<std::int64_t>(bucket) * (distance < 0 ? -1 : 1);
}

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
