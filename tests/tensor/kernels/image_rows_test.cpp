#include "tensor/calls/image_rows.h"

#include "tests/tensor/kernels/kernel_testing.h"

namespace temper {
namespace {

class ImageRowsTest : public KernelTest {};
TEMPER_ON_EACH_INSTRUCTION_SET(ImageRowsTest);

/// Of 3 rows 4: one alone, one of all, none, and one that takes a row twice.
const std::vector<std::int32_t> kMixtureStarts{0, 1, 4, 4, 6};
const std::vector<std::int32_t> kMixtureSources{2, 0, 1, 2, 1, 1};
const std::vector<float> kMixtureWeights{1.0F, 0.5F, -2.0F, 0.25F, 3.0F, -1.0F};

RowMixture mixture() { return {kMixtureStarts.data(), kMixtureSources.data(), kMixtureWeights.data(), 3, 4, 6}; }

TEST_P(ImageRowsTest, PatchesLieInTheOrderOfAConvolutionsWeight) {
  constexpr std::int64_t kImages = 2;
  constexpr std::int64_t kHeight = 7;  // the last line is left over
  constexpr std::int64_t kWidth = 6;
  constexpr std::int64_t kChannels = 3;
  const auto x = TestMatrix::random(kImages * kHeight * kWidth, kChannels, 1, 5);
  TestMatrix y(kImages * 3 * 2, kChannels * 2 * 3, 20);
  kernels_.run(
      calls::GatherPatches{.x = x, .height = kHeight, .width = kWidth, .patch_height = 2, .patch_width = 3, .y = y});
  for (std::int64_t row = 0; row < y.rows(); ++row)
    for (std::int64_t channel = 0; channel < kChannels; ++channel)
      for (std::int64_t down = 0; down < 2; ++down)
        for (std::int64_t across = 0; across < 3; ++across) {
          const std::int64_t line = row / 2 % 3 * 2 + down;
          const std::int64_t column = row % 2 * 3 + across;
          ASSERT_EQ(y(row, (channel * 2 + down) * 3 + across),
                    x((row / 6 * kHeight + line) * kWidth + column, channel));
        }
  EXPECT_TRUE(y.gaps_untouched());
}

TEST_P(ImageRowsTest, PatchesInBf16AreThoseOfF32Rounded) {
  const auto x = TestMatrix::random(16, 3, 1);
  TestMatrix y(4, 12);
  std::vector<BFloat16> rounded(48);
  const auto gather = [&](Rows to) {
    kernels_.run(calls::GatherPatches{.x = x, .height = 4, .width = 4, .patch_height = 2, .patch_width = 2, .y = to});
  };
  gather(y);
  gather(MatrixOf<BFloat16>{rounded.data(), 4, 12, 12});
  for (std::int64_t i = 0; i < 48; ++i)
    EXPECT_EQ(to_float(rounded[static_cast<std::size_t>(i)]), to_float(to_bfloat16(y(i / 12, i % 12))));
}

TEST_P(ImageRowsTest, RowsOfEachImageAreMixed) {
  for (const std::int64_t columns : {1, 7, 33}) {
    const auto x = TestMatrix::random(6, columns, 1, columns + 2);
    const auto added = TestMatrix::random(4, columns, 2);
    const auto before = TestMatrix::random(8, columns, 3, columns + 5);
    for (const bool adds : {false, true})
      for (const bool accumulates : {false, true}) {
        TestMatrix y = before;
        kernels_.run(calls::MixRows{.x = x,
                                    .mixture = mixture(),
                                    .images = 2,
                                    .added = adds ? added.data() : nullptr,
                                    .y = y,
                                    .accumulate = accumulates});
        std::vector<double> expected;
        for (std::int64_t row = 0; row < 8; ++row)
          for (std::int64_t column = 0; column < columns; ++column) {
            double sum = accumulates ? before(row, column) : 0.0;
            if (adds) sum += added(row % 4, column);
            for (auto i = static_cast<std::size_t>(kMixtureStarts[static_cast<std::size_t>(row % 4)]);
                 i < static_cast<std::size_t>(kMixtureStarts[static_cast<std::size_t>(row % 4 + 1)]); ++i)
              sum += static_cast<double>(kMixtureWeights[i]) * x(row / 4 * 3 + kMixtureSources[i], column);
            expected.push_back(sum);
          }
        expect_close(y.values(), expected, 1e-6);
        EXPECT_TRUE(y.gaps_untouched());
      }
  }
}

TEST_P(ImageRowsTest, MixturesOfBf16AreSummedInF32) {
  RoundedMatrix x(TestMatrix::random(6, 9, 1));
  const auto added = TestMatrix::random(4, 9, 2);
  TestMatrix y(8, 9);
  kernels_.run(calls::MixRows{.x = x.values(), .mixture = mixture(), .images = 2, .added = added.data(), .y = y});
  std::vector<BFloat16> rounded(72);
  kernels_.run(calls::MixRows{.x = x.elements(),
                              .mixture = mixture(),
                              .images = 2,
                              .added = added.data(),
                              .y = MatrixOf<BFloat16>{rounded.data(), 8, 9, 9}});
  for (std::int64_t i = 0; i < 72; ++i)
    EXPECT_EQ(to_float(rounded[static_cast<std::size_t>(i)]), to_float(to_bfloat16(y(i / 9, i % 9)))) << i;
}

TEST_P(ImageRowsTest, ImagesAreSummedInTheirOrder) {
  const auto x = TestMatrix::random(15, 7, 1, 8);
  std::vector<float> sum(35, 1.0F);
  kernels_.run(calls::SumImages{.x = x, .images = 3, .sum = sum.data()});
  for (std::int64_t i = 0; i < 35; ++i) {
    const float expected = 0.0F + x(i / 7, i % 7) + x(5 + i / 7, i % 7) + x(10 + i / 7, i % 7);
    EXPECT_EQ(sum[static_cast<std::size_t>(i)], expected);
  }
  const std::vector<float> once = sum;
  kernels_.run(calls::SumImages{.x = x, .images = 3, .sum = sum.data(), .accumulate = true});
  for (std::size_t i = 0; i < 35; ++i) EXPECT_EQ(sum[i], once[i] + once[i]);
}

TEST_P(ImageRowsTest, WholeImagesAreDroppedByTheirExample) {
  constexpr std::int64_t kImages = 200;
  std::vector<std::uint32_t> examples;
  for (std::uint32_t image = 0; image < kImages; ++image) examples.push_back(7 * image + 3);
  Dropout dropout;
  dropout.rate = 0.25F;
  dropout.place = 5;
  dropout.key = random_key(11, 4);
  const auto x = TestMatrix::random(kImages * 2, 3, 1);
  TestMatrix y(kImages * 2, 3);
  kernels_.run(calls::DropImages{.x = x, .images = kImages, .examples = examples.data(), .dropout = dropout, .y = y});
  int dropped = 0;
  for (std::int64_t image = 0; image < kImages; ++image) {
    const PhiloxCounter words = philox({0, 0, examples[static_cast<std::size_t>(image)], 5U << 12U}, dropout.key);
    const bool drops = (words[0] & 0xFFFFU) < dropout.threshold();
    dropped += drops ? 1 : 0;
    for (std::int64_t row = 2 * image; row < 2 * image + 2; ++row)
      for (std::int64_t column = 0; column < 3; ++column)
        ASSERT_EQ(y(row, column), drops ? 0.0F * x(row, column) : dropout.scale() * x(row, column));
  }
  EXPECT_NEAR(dropped, 50, 25);
  // Another image of the batch does not change it.
  TestMatrix alone(2, 3);
  kernels_.run(calls::DropImages{.x = ConstRows(x).part(2 * 150, 2),
                                 .images = 1,
                                 .examples = examples.data() + 150,
                                 .dropout = dropout,
                                 .y = alone});
  for (std::int64_t i = 0; i < 6; ++i) EXPECT_EQ(alone(i / 3, i % 3), y(300 + i / 3, i % 3));
}

}  // namespace
}  // namespace temper
