#include "runtime/explaining/relevance_map.h"

#include <gtest/gtest.h>

namespace temper {
namespace {

// torch.nn.functional.interpolate([[0, 1], [2, 5]], size=(3, 4), mode="bilinear", align_corners=False)
TEST(RelevanceMap, IsResizedAsTorchResizes) {
  const RelevanceMap map{{2, 2}, {0.0, 1.0, 2.0, 5.0}};
  const std::vector<double> expected{0.0, 0.25, 0.75, 1.0, 1.0, 1.5, 2.5, 3.0, 2.0, 2.75, 4.25, 5.0};
  const std::vector<double> resized = map.resized({3, 4});
  ASSERT_EQ(resized.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(resized[i], expected[i], 1e-12) << i;
  EXPECT_EQ(map.largest(), 5.0);
}

TEST(RelevanceMap, OfOnePlaceIsTheSameEverywhere) {
  const RelevanceMap map{{1, 1}, {3.0}};
  for (const double value : map.resized({5, 2})) EXPECT_EQ(value, 3.0);
}

}  // namespace
}  // namespace temper
