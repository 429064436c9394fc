// Operations and bytes of kernels, counted by hand.
#include "tensor/cost/kernel_work.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "tensor/cost/timed_kernels.h"
#include "tests/activations.h"
#include "tests/tensor/kernels/kernel_testing.h"

namespace temper {
namespace {

const float* const kAny = reinterpret_cast<const float*>(64);

ConstRows rows(std::int64_t n, std::int64_t columns, DType type = DType::f32) {
  return {kAny, n, columns, columns, type};
}

TEST(KernelWork, AProductIsTwoOperationsATerm) {
  const KernelWork plain = matmul_work(rows(3, 5), false, rows(5, 7), rows(3, 7), false);
  EXPECT_EQ(plain.operations, 2.0 * 3 * 5 * 7);
  EXPECT_EQ(plain.bytes, 4.0 * (3 * 5 + 5 * 7 + 3 * 7));
  EXPECT_FALSE(plain.bf16);
  const KernelWork turned = matmul_work(rows(5, 3, DType::bf16), true, rows(5, 7, DType::bf16), rows(3, 7), true);
  EXPECT_EQ(turned.operations, plain.operations);
  EXPECT_EQ(turned.bytes, 2.0 * (3 * 5 + 5 * 7) + 4.0 * 2 * 3 * 7) << "what is added to is read as well";
  EXPECT_TRUE(turned.bf16);
}

TEST(KernelWork, AttentionCountsTheScoresOfEachSequence) {
  const std::array<std::int32_t, 4> starts{0, 3, 3, 8};
  const std::array<std::int32_t, 4> asking{0, 1, 1, 2};
  PackedSequences sequences{8, 3, starts.data(), nullptr, 5};
  EXPECT_EQ(score_count(sequences, 8, true), 3.0 * 3 + 5.0 * 5);
  EXPECT_EQ(score_count(sequences, 8, false), 8.0 * 8 / 3) << "on a device whose memory cannot be read";
  sequences.query_starts = asking.data();
  EXPECT_EQ(score_count(sequences, 2, true), 3.0 + 5.0);
  EXPECT_EQ(attention_forward_work(rows(2, 16), rows(8, 16), 8.0).operations, 4.0 * 8 * 16);
  EXPECT_EQ(attention_backward_work(rows(2, 16), rows(8, 16), 8.0, true).operations, 10.0 * 8 * 16);
  EXPECT_EQ(attention_backward_work(rows(2, 16), rows(8, 16), 8.0, false).operations, 6.0 * 8 * 16);
}

TEST(KernelWork, ABiasAloneReadsTheGradientOnce) {
  EXPECT_EQ(activation_backward_work(rows(2, 8), {}, {}, Activation::none, rows(2, 8)).bytes, 4.0 * 16);
  for (const Activation activation : kEveryActivation) {
    if (activation == Activation::none) continue;
    const KernelWork work = activation_backward_work(rows(2, 8), rows(2, 8), rows(2, 8), activation, rows(2, 8));
    EXPECT_EQ(work.bytes, 3 * 4.0 * 16) << "the input or the output, not both";
  }
  EXPECT_EQ(activation_operations(Activation::silu), activation_operations(Activation::gelu));
}

TEST(KernelWork, TheWorkOfAKernelThatIsMadeOfOthersIsTheirs) {
  CpuKernels plain;
  TimedKernels timed(plain, [] {});
  std::vector<std::string> seen;
  timed.observe([&](std::string_view name, const KernelWork&) { seen.emplace_back(name); });
  std::vector<float> x(16, 1.0F);
  std::vector<float> weight(16, 1.0F);
  std::vector<float> bias(4, 1.0F);
  std::vector<float> y(16);
  const auto matrix = [](std::vector<float>& values, std::int64_t n) { return Matrix{values.data(), n, 4, 4}; };
  timed.linear_weight_gradient(matrix(x, 4), matrix(y, 4), matrix(weight, 4), false, bias.data(), false);
  EXPECT_EQ(seen, (std::vector<std::string>{"matmul", "bias_activation_backward"}));
  double operations = 0.0;
  for (const KernelTime& time : timed.times()) {
    operations += time.work.operations;
    if (time.name == "linear_weight_gradient") {
      EXPECT_EQ(time.work.operations, 0.0);
    }
  }
  EXPECT_EQ(operations, 2.0 * 4 * 4 * 4 + 16);
}

TEST(KernelWork, LionReadsAndWritesFiveArrays) {
  EXPECT_EQ(lion_work(10, false).bytes, 10.0 * 5 * 4);
  EXPECT_EQ(lion_work(10, true).bytes, 10.0 * (5 * 4 + 2));
}

TEST(KernelWork, AdafactorReadsSquaresOfVectorsAlone) {
  EXPECT_EQ(factored_square_sums_work(10).bytes, 10.0 * 4);
  EXPECT_EQ(adafactor_square_sums_work(10, false).bytes, 10.0 * 2 * 4);
  EXPECT_EQ(adafactor_square_sums_work(10, true).bytes, 10.0 * 4 * 4);
  EXPECT_EQ(adafactor_work(10, false, true).bytes, 10.0 * (3 * 4 + 2));
}

TEST(KernelWork, TheOptimizerReadsSevenArrays) {
  EXPECT_EQ(adamw_work(10, false).bytes, 10.0 * 7 * 4);
  EXPECT_EQ(adamw_work(10, true).bytes, 10.0 * (7 * 4 + 2));
  EXPECT_EQ(add_tree_work(10, 3).bytes, 10.0 * 4 * 4);
  EXPECT_EQ(add_tree_work(10, 3).operations, 10.0 * 2);
}

}  // namespace
}  // namespace temper
