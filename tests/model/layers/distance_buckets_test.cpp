// Values of transformers 5.24: MPNetEncoder.relative_position_bucket and make_log_bucket_position of DeBERTa-v2.
#include "model/layers/distance_buckets.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "base/error.h"

namespace temper {
namespace {

using Pairs = std::vector<std::pair<std::int64_t, std::int64_t>>;

TEST(DistanceBuckets, ThoseOfMpnetAreOfOneDistanceNearbyAndWiderFarAway) {
  for (const auto& [distance, bucket] :
       Pairs{{0, 0},    {1, 1},    {7, 7},    {8, 8},   {11, 8},  {12, 9},  {15, 9},   {16, 10},  {22, 10},
             {23, 11},  {31, 11},  {32, 12},  {45, 12}, {46, 13}, {63, 13}, {64, 14},  {90, 14},  {91, 15},
             {127, 15}, {128, 15}, {500, 15}, {-1, 17}, {-7, 23}, {-8, 24}, {-12, 25}, {-64, 30}, {-500, 31}})
    EXPECT_EQ(halved_logarithmic_bucket(distance, 32, 128), bucket) << distance;
}

TEST(DistanceBuckets, ThoseOfDebertaAreOddInTheDistance) {
  for (const auto& [distance, bucket] : Pairs{{1, 1},
                                              {3, 3},
                                              {40, 40},
                                              {127, 127},
                                              {128, 128},
                                              {129, 129},
                                              {130, 130},
                                              {140, 137},
                                              {200, 169},
                                              {300, 207},
                                              {450, 244},
                                              {511, 255},
                                              {512, 256},
                                              {600, 270},
                                              {-2, -2},
                                              {-129, -129},
                                              {-300, -207}})
    EXPECT_EQ(signed_logarithmic_bucket(distance, 256, 512), bucket) << distance;
  for (const auto& [distance, bucket] : Pairs{{15, 15},
                                              {16, 16},
                                              {17, 17},
                                              {18, 17},
                                              {20, 18},
                                              {40, 23},
                                              {100, 30},
                                              {127, 31},
                                              {128, 32},
                                              {200, 35},
                                              {600, 43},
                                              {-129, -32},
                                              {-300, -38}})
    EXPECT_EQ(signed_logarithmic_bucket(distance, 32, 128), bucket) << distance;
  for (const auto& [distance, bucket] : Pairs{{2, 2}, {3, 3}, {20, 3}, {27, 3}, {40, 4}, {-3, -3}, {-300, -4}})
    EXPECT_EQ(signed_logarithmic_bucket(distance, 4, 28), bucket) << distance;
}

TEST(DistanceBuckets, KnowsWhichOccurInShortSequences) {
  const std::unique_ptr<Device> device = make_cpu_device();  // outlives what lies in its memory
  const DistanceBuckets buckets(10, [](std::int64_t distance) { return distance + 20; });
  EXPECT_EQ(buckets.range(1).first, 20);
  EXPECT_EQ(buckets.range(1).count, 1);
  EXPECT_EQ(buckets.range(4).first, 17);
  EXPECT_EQ(buckets.range(4).count, 7);
  EXPECT_EQ(buckets.range(10).count, 19);
  EXPECT_THROW((void)buckets.range(11), Error);

  const DistanceTerms terms = buckets.terms(*device, buckets.range(4));
  EXPECT_EQ(terms.buckets.size(), 19);
  EXPECT_EQ(terms.buckets.data<std::int32_t>()[0], 11) << "of the distance -9";
  EXPECT_EQ(terms.first_bucket, 17);
  EXPECT_EQ(terms.buckets.bytes(), buckets.terms(*device, buckets.range(5)).buckets.bytes()) << "one upload for all";
}

}  // namespace
}  // namespace temper
