#include <array>

#include "tests/tensor/kernels/kernel_testing.h"

namespace temper {
namespace {

constexpr std::array<std::int32_t, 4> kIds = {5, 0, 5, 2};
constexpr std::array<std::int32_t, 4> kPositions = {0, 1, 2, 0};
constexpr std::array<std::int32_t, 4> kTypes = {0, 0, 1, 1};

class EmbeddingTest : public KernelTest {};
TEMPER_ON_EACH_INSTRUCTION_SET(EmbeddingTest);

TEST_P(EmbeddingTest, SumAddsThreeRows) {
  for (const std::int64_t width : {1, 7, 33, 384}) {
    const auto words = TestMatrix::random(6, width, 1);
    const auto positions = TestMatrix::random(3, width, 2);
    const auto types = TestMatrix::random(2, width, 3);
    for (const bool with_types : {false, true}) {
      TestMatrix y(4, width, width + 1);
      kernels_.embedding_sum_forward(words.data(), kIds.data(), positions.data(), kPositions.data(),
                                     with_types ? types.data() : nullptr, with_types ? kTypes.data() : nullptr, y);
      for (std::int64_t t = 0; t < 4; ++t) {
        const auto token = static_cast<std::size_t>(t);
        for (std::int64_t j = 0; j < width; ++j) {
          const float sum = words(kIds[token], j) + positions(kPositions[token], j);
          ASSERT_EQ(y(t, j), with_types ? sum + types(kTypes[token], j) : sum);
        }
      }
      EXPECT_TRUE(y.gaps_untouched());
    }
  }
}

TEST_P(EmbeddingTest, BackwardAddsToTheRowsThatOccur) {
  for (const std::int64_t width : {1, 33, 384}) {
    const auto dy = TestMatrix::random(4, width, 1, width + 2);
    TestMatrix table(6, width);
    kernels_.fill(table.data(), 0.5F, 6 * width);
    kernels_.embedding_backward(dy, kIds.data(), table.data());
    for (std::int64_t j = 0; j < width; ++j) {
      ASSERT_EQ(table(5, j), 0.5F + dy(0, j) + dy(2, j));
      ASSERT_EQ(table(0, j), 0.5F + dy(1, j));
      ASSERT_EQ(table(2, j), 0.5F + dy(3, j));
      ASSERT_EQ(table(1, j), 0.5F);
    }
  }
}

TEST_P(EmbeddingTest, ScatterUndoesGather) {
  const auto x = TestMatrix::random(6, 33, 1, 40);
  TestMatrix y(4, 33, 35);
  kernels_.gather_rows(x, kIds.data(), y);
  for (std::int64_t j = 0; j < 33; ++j) {
    ASSERT_EQ(y(0, j), x(5, j));
    ASSERT_EQ(y(3, j), x(2, j));
  }
  TestMatrix dx(6, 33, 34);
  for (std::int64_t i = 0; i < 6; ++i) {
    kernels_.fill(&dx(i, 0), 0.0F, 33);
  }
  kernels_.scatter_add_rows(y, kIds.data(), dx);
  for (std::int64_t j = 0; j < 33; ++j) {
    ASSERT_EQ(dx(5, j), 2.0F * x(5, j));
    ASSERT_EQ(dx(0, j), x(0, j));
    ASSERT_EQ(dx(1, j), 0.0F);
  }
  EXPECT_TRUE(dx.gaps_untouched());
}

}  // namespace
}  // namespace temper
