// Values of transformers 5.24: the rotary embeddings of LlamaModel, Phi3Model and GPTNeoXModel.
#include "model/layers/rotary_angles.h"

#include <gtest/gtest.h>

#include <cmath>

namespace temper {
namespace {

void expect_frequencies(const std::vector<float>& actual, const std::vector<float>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_LE(std::abs(actual[i] - expected[i]), 2.5e-7F * expected[i]) << "pair " << i;
}

void expect_scaled(const RotaryScaling& scaling, std::int64_t columns, const std::vector<float>& expected,
                   float scale = 1.0F) {
  const RotaryAngles angles = rotary_angles(scaling, columns, RotaryPairs::halves);
  expect_frequencies(angles.frequencies, expected);
  EXPECT_FLOAT_EQ(angles.scale, scale);
}

TEST(RotaryAngles, PlainOnesArePowersOfTheta) {
  expect_scaled({.theta = 500'000.0}, 16,
                {1.0F, 0.193922758F, 0.0376060307F, 0.00729266508F, 0.00141421345F, 0.000274248188F, 5.31829573e-05F,
                 1.03133852e-05F});
}

TEST(RotaryAngles, AnOddNumberOfColumnsIsRoundedUp) {
  expect_frequencies(rotary_angles(100.0, 3).frequencies, {1.0F, 0.046415884F});
}

TEST(RotaryAngles, LinearScalingDividesAll) {
  expect_scaled(
      {.kind = RotaryScalingKind::linear, .theta = 500.0, .factor = 4.0}, 16,
      {0.25F, 0.114965819F, 0.05286856F, 0.0243123118F, 0.0111803403F, 0.00514142821F, 0.00236435398F, 0.00108727964F});
}

TEST(RotaryAngles, Llama3DividesSlowPairsAndKeepsFastOnes) {
  expect_scaled({.kind = RotaryScalingKind::llama3, .theta = 500'000.0, .factor = 8.0, .original_length = 8192}, 64,
                {1.0F,
                 0.663601279F,
                 0.440366626F,
                 0.292227834F,
                 0.193922758F,
                 0.128687382F,
                 0.0853971019F,
                 0.0566696189F,
                 0.0376060307F,
                 0.0249554086F,
                 0.0165604409F,
                 0.0109895291F,
                 0.00729266508F,
                 0.00483942125F,
                 0.00321144611F,
                 0.00137189368F,
                 0.000524846022F,
                 0.000178507791F,
                 7.78465546e-05F,
                 5.16590699e-05F,
                 3.42810235e-05F,
                 2.2748929e-05F,
                 1.50962178e-05F,
                 1.00178686e-05F,
                 6.64786967e-06F,
                 4.41153452e-06F,
                 2.92749974e-06F,
                 1.94269251e-06F,
                 1.28917316e-06F,
                 8.55496921e-07F,
                 5.6770881e-07F,
                 3.7673226e-07F});
  expect_scaled(
      {.kind = RotaryScalingKind::llama3,
       .theta = 100.0,
       .factor = 3.0,
       .original_length = 32,
       .low_frequency_factor = 1.0,
       .high_frequency_factor = 5.0},
      16, {1.0F, 0.36214602F, 0.137587264F, 0.059275981F, 0.0333333351F, 0.018744709F, 0.0105409259F, 0.0059275981F});
}

TEST(RotaryAngles, YarnDividesBetweenLimitsAndEnlargesSines) {
  RotaryScaling yarn{.kind = RotaryScalingKind::yarn, .factor = 4.0, .original_length = 64};
  const std::vector<float> expected = {1.0F,           0.237170815F,    0.049999997F,    0.00790569466F,
                                       0.00249999994F, 0.000790569466F, 0.000250000012F, 7.90569466e-05F};
  expect_scaled(yarn, 16, expected, 1.13862944F);
  yarn.attention_factor = 0.8;
  expect_scaled(yarn, 16, expected, 0.8F);
  expect_scaled({.kind = RotaryScalingKind::yarn,
                 .factor = 40.0,
                 .original_length = 4096,
                 .beta_fast = 16.0,
                 .beta_slow = 2.0,
                 .truncates = false,
                 .magnitude_scale = 0.7,
                 .magnitude_scale_of_all = 1.3},
                32,
                {1.0F, 0.562341332F, 0.316227764F, 0.177827939F, 0.100000001F, 0.0562341288F, 0.0316227786F,
                 0.0150961196F, 0.00579010462F, 0.00173821871F, 0.000123952457F, 4.44569851e-05F, 2.49999994e-05F,
                 1.40585325e-05F, 7.90569447e-06F, 4.44569832e-06F},
                0.850405786F);
}

TEST(RotaryAngles, DynamicScalingGrowsTheBaseOfLongSequences) {
  const RotaryAngles angles = rotary_angles({.kind = RotaryScalingKind::dynamic, .factor = 2.0, .original_length = 16},
                                            16, RotaryPairs::halves);
  expect_frequencies(angles.frequencies, {1.0F, 0.316227764F, 0.100000001F, 0.0316227786F, 0.00999999978F,
                                          0.00316227786F, 0.00100000005F, 0.000316227786F});
  EXPECT_EQ(angles.usual_length, 16);
  EXPECT_EQ(angles.scale, 1.0F);
  // As the kernel makes them, of 40 tokens.
  std::vector<float> grown = angles.long_frequencies;
  const double growth = 1.0 + static_cast<double>(angles.growth) * (40.0 / 16.0 - 1.0);
  for (std::size_t i = 0; i < grown.size(); ++i)
    grown[i] *= static_cast<float>(std::pow(growth, -static_cast<double>(i) / 7.0));
  expect_frequencies(grown, {1.0F, 0.259412825F, 0.0672950074F, 0.017457189F, 0.00452861842F, 0.00117478159F,
                             0.000304753397F, 7.90569466e-05F});
}

TEST(RotaryAngles, LongropeHasDivisorsOfShortAndOfLongSequences) {
  const RotaryScaling scaling{.kind = RotaryScalingKind::longrope,
                              .factor = 64.0,
                              .original_length = 64,
                              .short_factors = {1.0, 1.5, 2.0, 2.5},
                              .long_factors = {3.0, 4.0, 5.0, 7.5}};
  expect_scaled(scaling, 8, {1.0F, 0.0666666701F, 0.00499999989F, 0.00039999999F}, 1.41421356F);
  const RotaryAngles angles = rotary_angles(scaling, 8, RotaryPairs::neighbours);
  expect_frequencies(angles.long_frequencies, {0.333333343F, 0.0250000004F, 0.00200000009F, 0.000133333335F});
  EXPECT_EQ(angles.usual_length, 64);
  EXPECT_EQ(angles.growth, 0.0F);
  EXPECT_EQ(angles.layout, RotaryPairs::neighbours);
}

}  // namespace
}  // namespace temper
