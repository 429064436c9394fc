#include <omp.h>

#include <array>

#include "tests/tensor/kernels/kernel_testing.h"

namespace temper {
namespace {

class ReductionTest : public KernelTest {};
TEMPER_ON_EACH_INSTRUCTION_SET(ReductionTest);

TEST_P(ReductionTest, AddMayWriteOverItsInput) {
  auto a = TestMatrix::random(1, 37, 1);
  const auto b = TestMatrix::random(1, 37, 2);
  std::vector<float> expected;
  for (std::int64_t i = 0; i < 37; ++i) {
    expected.push_back(a(0, i) + b(0, i));
  }
  kernels_.run(calls::Add{.a = a.data(), .b = b.data(), .out = a.data(), .n = 37});
  EXPECT_EQ(a.values(), to_double(expected));
}

TEST_P(ReductionTest, AddTreeFollowsThePostfixOrder) {
  using enum TreeStep;
  for (const std::int64_t n : {0, 1, 7, 1024, 3001}) {
    const auto a = TestMatrix::random(1, n, 1, 0, 1e3F);
    const auto b = TestMatrix::random(1, n, 2, 0, 1e-3F);
    const auto c = TestMatrix::random(1, n, 3, 0, 1e3F);
    const std::array<const float*, 3> inputs{a.data(), b.data(), c.data()};
    const std::array left{input, input, sum, input, sum};
    const std::array right{input, input, input, sum, sum};
    TestMatrix from_left(1, n);
    TestMatrix from_right(1, n);
    kernels_.run(calls::AddTree{.inputs = inputs, .postfix = left, .out = from_left.data(), .n = n});
    kernels_.run(calls::AddTree{.inputs = inputs, .postfix = right, .out = from_right.data(), .n = n});
    for (std::int64_t i = 0; i < n; ++i) {
      ASSERT_EQ(from_left(0, i), (a(0, i) + b(0, i)) + c(0, i));
      ASSERT_EQ(from_right(0, i), a(0, i) + (b(0, i) + c(0, i)));
    }
  }
}

TEST_P(ReductionTest, AddTreeMayWriteOverAnyOfItsInputs) {
  using enum TreeStep;
  constexpr std::int64_t kElements = 3001;  // several blocks and a rest
  const std::array steps{input, input, sum, input, input, sum, sum};
  for (std::size_t target = 0; target < 4; ++target) {
    std::vector<TestMatrix> values;
    std::vector<const float*> inputs;
    for (unsigned i = 0; i < 4; ++i) {
      values.push_back(TestMatrix::random(1, kElements, i, 0, 1e3F));
    }
    for (const TestMatrix& value : values) {
      inputs.push_back(value.data());
    }
    std::vector<float> expected;
    for (std::int64_t i = 0; i < kElements; ++i) {
      expected.push_back((values[0](0, i) + values[1](0, i)) + (values[2](0, i) + values[3](0, i)));
    }
    kernels_.run(calls::AddTree{.inputs = inputs, .postfix = steps, .out = values[target].data(), .n = kElements});
    EXPECT_EQ(values[target].values(), to_double(expected)) << target;
  }
}

TEST_P(ReductionTest, AddTreeOfOneInputCopiesIt) {
  const auto a = TestMatrix::random(1, 1500, 1);
  const std::array inputs{a.data()};
  const std::array steps{TreeStep::input};
  TestMatrix out(1, 1500);
  kernels_.run(calls::AddTree{.inputs = inputs, .postfix = steps, .out = out.data(), .n = 1500});
  EXPECT_EQ(out.values(), a.values());
}

TEST_P(ReductionTest, AddTreeHoldsAsManyOpenSumsAsItSays) {
  constexpr auto kDepth = static_cast<std::size_t>(calls::AddTree::kMostDepth);
  std::vector<TreeStep> steps(kDepth, TreeStep::input);
  steps.insert(steps.end(), kDepth - 1, TreeStep::sum);
  const std::vector<float> ones(1100, 1.0F);
  const std::vector<const float*> inputs(kDepth, ones.data());
  std::vector<float> out(ones.size());
  kernels_.run(calls::AddTree{
      .inputs = inputs, .postfix = steps, .out = out.data(), .n = static_cast<std::int64_t>(out.size())});
  EXPECT_EQ(out, std::vector<float>(ones.size(), static_cast<float>(kDepth)));
}

TEST_P(ReductionTest, ChunkSquareSumsAreExactToDouble) {
  for (const std::int64_t chunk : {1, 7, 33, 384, 100003}) {
    const auto x = TestMatrix::random(3, chunk, 1);
    std::vector<double> sums(5, -1.0);
    kernels_.run(calls::ChunkSquareSums{.x = x.data(), .chunk = chunk, .chunks = 3, .sums = sums.data() + 1});
    for (std::int64_t i = 0; i < 3; ++i) {
      const std::vector<double> values(x.data() + i * chunk, x.data() + (i + 1) * chunk);
      const double expected = dot(values, values);
      EXPECT_NEAR(sums[static_cast<std::size_t>(i) + 1], expected, 1e-12 * expected);
    }
    EXPECT_EQ(sums.front(), -1.0);
    EXPECT_EQ(sums.back(), -1.0);
  }
}

TEST_P(ReductionTest, ChunkSquareSumsOfNothing) {
  const float x = 3.0F;
  double sum = -1.0;
  kernels_.run(calls::ChunkSquareSums{.x = &x, .chunk = 1, .chunks = 0, .sums = &sum});
  EXPECT_EQ(sum, -1.0);
  kernels_.run(calls::ChunkSquareSums{.x = &x, .chunk = 0, .chunks = 1, .sums = &sum});
  EXPECT_EQ(sum, 0.0);
}

TEST_P(ReductionTest, AChunksSquareSumHasTheSameBitsOnAnyNumberOfThreadsAndWhereverItLies) {
  constexpr std::int64_t kChunk = 16384;
  const int before = omp_get_max_threads();
  const auto x = TestMatrix::random(18, kChunk, 1);
  std::vector<std::vector<double>> sums;
  for (const int threads : {1, 2, 3}) {
    omp_set_num_threads(threads);
    sums.emplace_back(18);
    kernels_.run(calls::ChunkSquareSums{.x = x.data(), .chunk = kChunk, .chunks = 18, .sums = sums.back().data()});
  }
  omp_set_num_threads(before);
  EXPECT_EQ(sums[1], sums[0]);
  EXPECT_EQ(sums[2], sums[0]);
  double alone = 0.0;
  for (std::int64_t i = 0; i < 18; ++i) {
    kernels_.run(calls::ChunkSquareSums{.x = x.data() + i * kChunk, .chunk = kChunk, .chunks = 1, .sums = &alone});
    EXPECT_EQ(alone, sums[0][static_cast<std::size_t>(i)]);
  }
}

}  // namespace
}  // namespace temper
