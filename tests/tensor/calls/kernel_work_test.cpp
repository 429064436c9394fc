// Operations and bytes of kernels, counted by hand.
#include "tensor/calls/kernel_work.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "tensor/cost/timed_kernels.h"
#include "tests/activations.h"
#include "tests/tensor/kernels/kernel_testing.h"

namespace temper {
namespace {

float* const kAny = reinterpret_cast<float*>(64);

Rows rows(std::int64_t n, std::int64_t columns, DType type = DType::f32) { return {kAny, n, columns, columns, type}; }

TEST(KernelWork, AProductIsTwoOperationsATerm) {
  const KernelWork plain = calls::Matmul{.a = rows(3, 5), .b = rows(5, 7), .c = rows(3, 7)}.work();
  EXPECT_EQ(plain.operations, 2.0 * 3 * 5 * 7);
  EXPECT_EQ(plain.bytes, 4.0 * (3 * 5 + 5 * 7 + 3 * 7));
  EXPECT_FALSE(plain.bf16);
  const KernelWork turned = calls::Matmul{.a = rows(5, 3, DType::bf16),
                                          .transpose_a = true,
                                          .b = rows(5, 7, DType::bf16),
                                          .c = rows(3, 7),
                                          .accumulate = true}
                                .work();
  EXPECT_EQ(turned.operations, plain.operations);
  EXPECT_EQ(turned.bytes, 2.0 * (3 * 5 + 5 * 7) + 4.0 * 2 * 3 * 7) << "what is added to is read as well";
  EXPECT_TRUE(turned.bf16);
}

TEST(KernelWork, AttentionCountsTheScoresOfEachSequence) {
  const std::array<std::int32_t, 4> starts{0, 3, 3, 8};
  const std::array<std::int32_t, 4> query_tokens{0, 1, 1, 2};
  const AttentionShape shape = AttentionShape::plain(2, 8, 1.0F);
  PackedSequences sequences{8, 3, starts.data(), nullptr, 5};
  EXPECT_EQ(score_count(sequences, shape, 8, true), 3.0 * 3 + 5.0 * 5);
  EXPECT_EQ(score_count(sequences, shape, 8, false), 8.0 * 8 / 3) << "on a device whose memory cannot be read";
  sequences.query_starts = query_tokens.data();
  EXPECT_EQ(score_count(sequences, shape, 2, true), 3.0 + 5.0);
  const calls::AttentionForward forward{.q = rows(2, 16),
                                        .k = rows(8, 16),
                                        .v = rows(8, 16),
                                        .sequences = sequences,
                                        .shape = AttentionShape::plain(2, 8, 1.0F),
                                        .out = rows(2, 16)};
  EXPECT_EQ(forward.work(true).operations, 4.0 * 8 * 16);
  EXPECT_EQ(forward.work(false).operations, 4.0 * 2 * 8 / 3 * 16);
  calls::AttentionBackward backward{.q = rows(2, 16),
                                    .k = rows(8, 16),
                                    .v = rows(8, 16),
                                    .out = rows(2, 16),
                                    .d_out = rows(2, 16),
                                    .log_sum_exp = kAny,
                                    .sequences = sequences,
                                    .shape = AttentionShape::plain(2, 8, 1.0F),
                                    .dq = rows(2, 16),
                                    .dk = rows(8, 16),
                                    .dv = rows(8, 16)};
  EXPECT_EQ(backward.work(true).operations, 10.0 * 8 * 16);
  backward.dk = backward.dv = {};
  EXPECT_EQ(backward.work(true).operations, 6.0 * 8 * 16);
}

TEST(KernelWork, AttentionCountsOnlyTheScoresThatSomebodySees) {
  const std::array<std::int32_t, 4> starts{0, 3, 3, 12};
  const std::array<std::int32_t, 3> lengths{3, 0, 5};  // the last has room behind it
  const std::array<std::int32_t, 4> query_tokens{0, 1, 1, 3};
  const std::array<std::uint32_t, 3> positions{2, 0, 3};
  PackedSequences sequences{12, 3, starts.data(), nullptr, 5};
  sequences.lengths = lengths.data();
  AttentionShape shape = AttentionShape::plain(2, 8, 1.0F);
  EXPECT_EQ(score_count(sequences, shape, 8, true), 9.0 + 25.0);
  shape.causal = true;
  EXPECT_EQ(score_count(sequences, shape, 8, true), 6.0 + 15.0);
  shape.window.left = 1;
  EXPECT_EQ(score_count(sequences, shape, 8, true), 1 + 2 + 2 + 1 + 2 + 2 + 2 + 2.0);
  shape.causal = false;
  shape.window.right = 2;
  EXPECT_EQ(score_count(sequences, shape, 8, true), 3 + 3 + 2 + 3 + 4 + 4 + 3 + 2.0);
  sequences.query_starts = query_tokens.data();
  sequences.query_positions = positions.data();
  EXPECT_EQ(score_count(sequences, shape, 3, true), 2 + 3 + 3.0);
  shape.window = {};
  shape.causal = true;
  EXPECT_EQ(score_count({6, 2, starts.data(), nullptr, 5}, shape, 6, false), 2 * 6.0) << "two of three tokens each";
}

TEST(KernelWork, ABiasAloneReadsTheGradientOnce) {
  EXPECT_EQ((calls::BiasActivationBackward{.dy = rows(2, 8), .dz = rows(2, 8)}.work().bytes), 4.0 * 16);
  for (const Activation activation : kEveryActivation) {
    if (activation == Activation::none) continue;
    const KernelWork work =
        calls::BiasActivationBackward{
            .dy = rows(2, 8), .z = rows(2, 8), .y = rows(2, 8), .activation = activation, .dz = rows(2, 8)}
            .work();
    EXPECT_EQ(work.bytes, 3 * 4.0 * 16) << "the input or the output, not both";
  }
  EXPECT_EQ(activation_operations(Activation::silu), activation_operations(Activation::gelu));
}

TEST(KernelWork, TheWorkOfAKernelThatIsMadeOfOthersIsTheirs) {
  CpuKernels plain;
  TimedKernels timed(plain, [] {});
  std::vector<std::string> seen;
  timed.observe([&](const KernelId& kernel, const KernelWork&) { seen.emplace_back(kernel.name); });
  std::vector<float> x(16, 1.0F);
  std::vector<float> weight(16, 1.0F);
  std::vector<float> bias(4, 1.0F);
  std::vector<float> y(16);
  const auto matrix = [](std::vector<float>& values, std::int64_t n) { return Matrix{values.data(), n, 4, 4}; };
  timed.kernels().run(calls::LinearWeightGradient{
      .dz = matrix(x, 4), .x = matrix(y, 4), .d_weight = matrix(weight, 4), .d_bias = bias.data()});
  EXPECT_EQ(seen, (std::vector<std::string>{"matmul", "bias_activation_backward"}));
  double operations = 0.0;
  for (const KernelTime& time : timed.times()) {
    operations += time.work.operations;
    if (time.kernel.name == calls::LinearWeightGradient::kKernel.name) {
      EXPECT_EQ(time.work.operations, 0.0);
    }
  }
  EXPECT_EQ(operations, 2.0 * 4 * 4 * 4 + 16);
}

TEST(KernelWork, LionReadsAndWritesFiveArrays) {
  EXPECT_EQ(calls::Lion::work_of(10, false).bytes, 10.0 * 5 * 4);
  EXPECT_EQ(calls::Lion::work_of(10, true).bytes, 10.0 * (5 * 4 + 2));
}

TEST(KernelWork, AdafactorReadsSquaresOfVectorsAlone) {
  EXPECT_EQ(calls::FactoredSquareSums::work_of(10).bytes, 10.0 * 4);
  EXPECT_EQ(calls::AdafactorSquareSums::work_of(10, false).bytes, 10.0 * 2 * 4);
  EXPECT_EQ(calls::AdafactorSquareSums::work_of(10, true).bytes, 10.0 * 4 * 4);
  EXPECT_EQ(calls::Adafactor::work_of(10, false, true).bytes, 10.0 * (3 * 4 + 2));
}

TEST(KernelWork, TheOptimizerReadsSevenArrays) {
  EXPECT_EQ(calls::AdamW::work_of(10, false).bytes, 10.0 * 7 * 4);
  EXPECT_EQ(calls::AdamW::work_of(10, true).bytes, 10.0 * (7 * 4 + 2));
}

TEST(KernelWork, ATreeReadsItsInputsAndWritesTheSum) {
  const std::array<const float*, 3> inputs{kAny, kAny, kAny};
  const calls::AddTree three{.inputs = inputs, .postfix = {}, .out = kAny, .n = 10};
  EXPECT_EQ(three.work().bytes, 10.0 * 4 * 4);
  EXPECT_EQ(three.work().operations, 10.0 * 2);
  const calls::AddTree one{.inputs = std::span(inputs).first(1), .postfix = {}, .out = kAny, .n = 10};
  EXPECT_EQ(one.work().bytes, 0.0) << "it lies where the sum goes";
}

}  // namespace
}  // namespace temper
