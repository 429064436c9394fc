#include "model/layers/position_map.h"

#include <gtest/gtest.h>

#include <cmath>

namespace temper {
namespace {

/// Of places whose values are sin(1.7 n).
std::vector<float> resized(ImageExtent from, ImageExtent to, Resampling resampling) {
  std::vector<float> values;
  for (const MixedRow& row : resized_grid(from, to, resampling)) {
    float sum = 0.0F;
    for (std::size_t i = 0; i < row.sources.size(); ++i)
      sum += row.weights[i] * std::sin(1.7F * static_cast<float>(row.sources[i]));
    values.push_back(sum);
  }
  return values;
}

void expect_values(const std::vector<float>& actual, const std::vector<float>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < actual.size(); ++i) EXPECT_NEAR(actual[i], expected[i], 2e-6) << i;
}

// The values are those of torch.nn.functional.interpolate(mode="bicubic", align_corners=False) in double precision.

TEST(PositionMap, IsTorchsBicubic) {
  expect_values(resized({3, 4}, {5, 2}, Resampling::bicubic),
                {0.5960527F, -0.6987836F, 0.682543F, -0.7516712F, 0.7867718F, -0.7994774F, 0.7800258F, -0.7345164F,
                 0.7522531F, -0.6712957F});
  expect_values(resized({3, 4}, {2, 3}, Resampling::bicubic),
                {0.2456835F, 0.4376737F, -0.8198949F, 0.7732097F, -0.3108508F, -0.3653848F});
}

TEST(PositionMap, IsTorchsBicubicWithAntialiasing) {
  expect_values(resized({3, 4}, {5, 2}, Resampling::antialiased_bicubic),
                {0.4531276F, -0.415161F, 0.487326F, -0.4610762F, 0.5320063F, -0.5272323F, 0.4926867F, -0.5101421F,
                 0.4614345F, -0.4911938F});
  expect_values(resized({3, 4}, {2, 3}, Resampling::antialiased_bicubic),
                {0.4281993F, 0.3127195F, -0.8058138F, 0.7775456F, -0.2075375F, -0.5269399F});
}

TEST(PositionMap, OfTheSameSizeEachPlaceIsItself) {
  for (const Resampling resampling : {Resampling::bicubic, Resampling::antialiased_bicubic}) {
    const std::vector<MixedRow> rows = resized_grid({3, 4}, {3, 4}, resampling);
    ASSERT_EQ(rows.size(), 12U);
    for (std::size_t row = 0; row < rows.size(); ++row) {
      EXPECT_EQ(rows[row].sources, std::vector<std::int32_t>{static_cast<std::int32_t>(row)});
      EXPECT_EQ(rows[row].weights, std::vector<float>{1.0F});
    }
  }
}

TEST(PositionMap, WeightsAddUpToOne) {
  for (const Resampling resampling : {Resampling::bicubic, Resampling::antialiased_bicubic})
    for (const std::int64_t from : {1, 2, 3, 7, 16})
      for (const std::int64_t to : {1, 2, 5, 14, 37})
        for (const MixedRow& row : resized_side(from, to, resampling)) {
          float sum = 0.0F;
          for (const float weight : row.weights) sum += weight;
          EXPECT_NEAR(sum, 1.0F, 1e-6) << from << " to " << to;
          for (const std::int32_t source : row.sources) {
            EXPECT_GE(source, 0);
            EXPECT_LT(source, from);
          }
        }
}

}  // namespace
}  // namespace temper
