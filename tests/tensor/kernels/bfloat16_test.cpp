// Kernels on bf16: they compute what they compute on the same numbers in f32, and round it once.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

#include "tensor/kernels/cpu/attention/attention_pairs.h"
#include "tensor/kernels/cpu/matmul/bfloat16_pairs.h"
#include "tests/activations.h"
#include "tests/tensor/kernels/kernel_testing.h"

namespace temper {
namespace {

const Dropout kRoundedDropout{.rate = 0.25F, .place = 9, .key = random_key(3, 4)};

/// The same numbers in both types; rows have gaps.
class Twin {
 public:
  Twin(std::int64_t rows, std::int64_t columns, unsigned seed) : Twin(TestMatrix::random(rows, columns, seed)) {}
  explicit Twin(const TestMatrix& values)
      : rows_(values.rows()), columns_(values.columns()), stride_(columns_ + 3), f32_(rows_, columns_, stride_) {
    bf16_.assign(static_cast<std::size_t>(rows_ * stride_), kGap);
    for (std::int64_t i = 0; i < rows_; ++i) {
      for (std::int64_t j = 0; j < columns_; ++j) {
        at(i, j) = to_bfloat16(values(i, j));
        f32_(i, j) = to_float(at(i, j));
      }
    }
  }

  [[nodiscard]] Rows f32() { return Matrix(f32_); }
  [[nodiscard]] Rows bf16() { return MatrixOf<BFloat16>{bf16_.data(), rows_, columns_, stride_}; }
  /// Makes the numbers of f32 those that bf16 can hold.
  void round() {
    for (std::int64_t i = 0; i < rows_; ++i) {
      for (std::int64_t j = 0; j < columns_; ++j) {
        f32_(i, j) = to_float(to_bfloat16(f32_(i, j)));
      }
    }
  }
  /// Every element of bf16 is that of f32, rounded, and what lies between the rows is as it was.
  void expect_rounded(const char* what) {
    for (std::int64_t i = 0; i < rows_; ++i) {
      for (std::int64_t j = 0; j < columns_; ++j) {
        ASSERT_EQ(at(i, j).bits, to_bfloat16(f32_(i, j)).bits) << what << " [" << i << ", " << j << "]";
      }
      for (std::int64_t j = columns_; j < stride_; ++j) {
        ASSERT_EQ(at(i, j).bits, kGap.bits) << what << ", behind row " << i;
      }
    }
  }
  /// Every element within `tolerance` of the largest of f32.
  void expect_near(double tolerance, const char* what) {
    double largest = 0.0;
    for (std::int64_t i = 0; i < rows_; ++i) {
      for (std::int64_t j = 0; j < columns_; ++j) largest = std::max(largest, std::abs(double{f32_(i, j)}));
    }
    for (std::int64_t i = 0; i < rows_; ++i) {
      for (std::int64_t j = 0; j < columns_; ++j) {
        ASSERT_NEAR(to_float(at(i, j)), f32_(i, j), tolerance * largest) << what << " [" << i << ", " << j << "]";
      }
    }
  }

 private:
  static constexpr BFloat16 kGap{0x1234};
  BFloat16& at(std::int64_t i, std::int64_t j) { return bf16_[static_cast<std::size_t>(i * stride_ + j)]; }

  std::int64_t rows_;
  std::int64_t columns_;
  std::int64_t stride_;
  TestMatrix f32_;
  std::vector<BFloat16> bf16_;
};

class BFloat16Test : public KernelTest {
 protected:
  static constexpr std::array<std::int64_t, 4> kColumns{1, 7, 48, 133};
  static constexpr std::int64_t kRows = 70;

  BFloat16Test() : names_(kRows) { std::iota(names_.begin(), names_.end(), 5U); }
  [[nodiscard]] TokenKeys names() const { return {names_.data(), names_.data()}; }

  std::vector<std::uint32_t> names_;
};
TEMPER_ON_EACH_INSTRUCTION_SET(BFloat16Test);

TEST_P(BFloat16Test, RoundsAsTheScalarConversionDoes) {
  // Ties to either side, numbers too small and too large, and what is none.
  std::vector<float> values{0.0F, -0.0F, 1.0F, 1.00390625F, 1.01171875F, -1.00390625F, 3.0e38F, 3.4e38F, 1e-40F};
  const float infinity = std::numeric_limits<float>::infinity();
  values.insert(values.end(), {infinity, -infinity, std::numeric_limits<float>::quiet_NaN(), -4.0e-39F, 1e-45F});
  values.push_back(std::bit_cast<float>(0x7F800001U));  // a signalling NaN, whose upper half says infinity
  for (unsigned word = 0x3F7F0000U; word < 0x3F820000U; word += 0x1111U) values.push_back(std::bit_cast<float>(word));
  const auto n = static_cast<std::int64_t>(values.size());
  std::vector<BFloat16> rounded(values.size());
  kernels_.run(calls::Copy{.x = ConstMatrix{values.data(), 1, n, n}, .y = MatrixOf<BFloat16>{rounded.data(), 1, n, n}});
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(rounded[i].bits, to_bfloat16(values[i]).bits) << values[i];
  }
  std::vector<float> back(values.size());
  kernels_.run(calls::Copy{.x = MatrixOf<const BFloat16>{rounded.data(), 1, n, n}, .y = Matrix{back.data(), 1, n, n}});
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(std::bit_cast<std::uint32_t>(back[i]), std::uint32_t{rounded[i].bits} << 16);
  }
}

TEST_P(BFloat16Test, CopyConvertsAndAdds) {
  for (const std::int64_t columns : kColumns) {
    for (const bool accumulate : {false, true}) {
      Twin x(kRows, columns, 1);
      Twin y(kRows, columns, 2);
      kernels_.run(calls::Copy{.x = x.f32(), .y = y.f32(), .accumulate = accumulate});
      Twin z = y;
      kernels_.run(calls::Copy{.x = x.bf16(), .y = y.bf16(), .accumulate = accumulate});
      y.expect_rounded("bf16 to bf16");
      kernels_.run(calls::Copy{.x = z.f32(), .y = z.bf16()});
      z.expect_rounded("f32 to bf16");
      z.round();
      TestMatrix widened(kRows, columns);
      kernels_.run(calls::Copy{.x = z.bf16(), .y = widened});
      const ConstMatrix expected = ConstRows(z.f32()).as<float>();
      for (std::int64_t i = 0; i < kRows; ++i) {
        EXPECT_TRUE(std::equal(expected.row(i), expected.row(i) + columns, &widened(i, 0)));
      }
    }
  }
}

TEST_P(BFloat16Test, ActivationsAndTheirGradients) {
  for (const std::int64_t columns : kColumns) {
    for (const Activation activation : kEveryActivation) {
      Twin z(kRows, columns, 1);
      Twin bias(1, columns, 2);
      Twin y(kRows, columns, 3);
      Twin dy(kRows, columns, 4);
      kernels_.run(
          calls::BiasActivationForward{.z = z.f32(), .bias = bias.f32(), .activation = activation, .y = y.f32()});
      kernels_.run(
          calls::BiasActivationForward{.z = z.bf16(), .bias = bias.bf16(), .activation = activation, .y = y.bf16()});
      z.expect_rounded("z");
      y.expect_rounded("y");
      z.round();
      y.round();
      std::vector<float> d_bias(static_cast<std::size_t>(columns), 1.0F);
      std::vector<float> d_bias_of_bf16 = d_bias;
      Twin dz = dy;
      kernels_.run(calls::BiasActivationBackward{.dy = dy.f32(),
                                                 .z = z.f32(),
                                                 .y = y.f32(),
                                                 .activation = activation,
                                                 .dz = dz.f32(),
                                                 .d_bias = d_bias.data(),
                                                 .accumulate_bias = true});
      kernels_.run(calls::BiasActivationBackward{.dy = dy.bf16(),
                                                 .z = z.bf16(),
                                                 .y = y.bf16(),
                                                 .activation = activation,
                                                 .dz = dz.bf16(),
                                                 .d_bias = d_bias_of_bf16.data(),
                                                 .accumulate_bias = true});
      dz.expect_rounded("dz");
      EXPECT_EQ(d_bias, d_bias_of_bf16) << "sums are of numbers that have not been rounded";
    }
  }
}

TEST_P(BFloat16Test, Dropout) {
  for (const std::int64_t columns : kColumns) {
    for (const Dropout& dropout : {temper::Dropout{}, kRoundedDropout}) {
      Twin x(kRows, columns, 1);
      kernels_.run(calls::ApplyDropout{.x = x.f32(), .names = names(), .dropout = dropout, .y = x.f32()});
      kernels_.run(calls::ApplyDropout{.x = x.bf16(), .names = names(), .dropout = dropout, .y = x.bf16()});
      x.expect_rounded("x");
    }
  }
}

TEST_P(BFloat16Test, SumsProductsAndMultiples) {
  for (const std::int64_t columns : kColumns) {
    for (const bool flag : {false, true}) {
      const Dropout dropout = flag ? kRoundedDropout : Dropout{};
      Twin a(kRows, columns, 1);
      Twin b(kRows, columns, 2);
      Twin sum(kRows, columns, 3);
      Twin product(kRows, columns, 4);
      Twin multiple(kRows, columns, 5);
      kernels_.run(calls::AddRows{.a = a.f32(), .b = b.f32(), .names = names(), .dropout = dropout, .y = sum.f32()});
      kernels_.run(calls::AddRows{.a = a.bf16(), .b = b.bf16(), .names = names(), .dropout = dropout, .y = sum.bf16()});
      kernels_.run(calls::MultiplyRows{.a = a.f32(), .b = b.f32(), .y = product.f32(), .accumulate = flag});
      kernels_.run(calls::MultiplyRows{.a = a.bf16(), .b = b.bf16(), .y = product.bf16(), .accumulate = flag});
      kernels_.run(calls::ScaleRows{.x = a.f32(), .factor = 0.3F, .y = multiple.f32(), .accumulate = flag});
      kernels_.run(calls::ScaleRows{.x = a.bf16(), .factor = 0.3F, .y = multiple.bf16(), .accumulate = flag});
      sum.expect_rounded("sum");
      product.expect_rounded("product");
      multiple.expect_rounded("multiple");
    }
  }
}

TEST_P(BFloat16Test, GatedUnits) {
  for (const std::int64_t columns : kColumns) {
    for (const Activation activation : kEveryActivation) {
      Twin gate(kRows, columns, 1);
      Twin value(kRows, columns, 2);
      Twin y(kRows, columns, 3);
      Twin d_gate(kRows, columns, 4);
      Twin d_value(kRows, columns, 5);
      kernels_.run(
          calls::GatedForward{.gate = gate.f32(), .value = value.f32(), .activation = activation, .y = y.f32()});
      kernels_.run(
          calls::GatedForward{.gate = gate.bf16(), .value = value.bf16(), .activation = activation, .y = y.bf16()});
      y.expect_rounded("y");
      y.round();
      kernels_.run(calls::GatedBackward{.dy = y.f32(),
                                        .gate = gate.f32(),
                                        .value = value.f32(),
                                        .activation = activation,
                                        .d_gate = d_gate.f32(),
                                        .d_value = d_value.f32()});
      kernels_.run(calls::GatedBackward{.dy = y.bf16(),
                                        .gate = gate.bf16(),
                                        .value = value.bf16(),
                                        .activation = activation,
                                        .d_gate = d_gate.bf16(),
                                        .d_value = d_value.bf16()});
      d_gate.expect_rounded("d_gate");
      d_value.expect_rounded("d_value");
    }
  }
}

TEST_P(BFloat16Test, RotaryEmbedding) {
  for (const std::int64_t pairs : {1, 6, 24}) {
    const std::vector<float> frequencies(static_cast<std::size_t>(pairs), 0.37F);
    for (const RotaryPairs layout : {RotaryPairs::halves, RotaryPairs::neighbours}) {
      Twin x(kRows, 4 * pairs + 2, 1);
      calls::Rotate call{
          .x = x.f32(), .positions = names_.data(), .heads = 2, .frequencies = frequencies, .layout = layout};
      kernels_.run(call);
      call.x = x.bf16();
      kernels_.run(call);
      x.expect_rounded("x");
    }
  }
}

TEST_P(BFloat16Test, LayerNorm) {
  for (const std::int64_t columns : kColumns) {
    const std::vector<float> weight(static_cast<std::size_t>(columns), 1.25F);
    const std::vector<float> bias(static_cast<std::size_t>(columns), 0.5F);
    for (const Dropout& dropout : {temper::Dropout{}, kRoundedDropout}) {
      Twin x(kRows, columns, 1);
      Twin residual(kRows, columns, 2);
      Twin sum(kRows, columns, 3);
      Twin y(kRows, columns, 4);
      std::vector<float> mean(kRows);
      std::vector<float> rstd(kRows);
      std::vector<float> mean_of_bf16(kRows);
      std::vector<float> rstd_of_bf16(kRows);
      kernels_.run(calls::LayerNormForward{.x = x.f32(),
                                           .residual = residual.f32(),
                                           .names = names(),
                                           .dropout = dropout,
                                           .weight = weight.data(),
                                           .bias = bias.data(),
                                           .epsilon = 1e-5F,
                                           .y = y.f32(),
                                           .sum = sum.f32(),
                                           .mean = mean.data(),
                                           .rstd = rstd.data()});
      kernels_.run(calls::LayerNormForward{.x = x.bf16(),
                                           .residual = residual.bf16(),
                                           .names = names(),
                                           .dropout = dropout,
                                           .weight = weight.data(),
                                           .bias = bias.data(),
                                           .epsilon = 1e-5F,
                                           .y = y.bf16(),
                                           .sum = sum.bf16(),
                                           .mean = mean_of_bf16.data(),
                                           .rstd = rstd_of_bf16.data()});
      sum.expect_rounded("sum");
      // The rest is that of the sum as it is stored.
      sum.round();
      kernels_.run(calls::LayerNormForward{.x = sum.f32(),
                                           .weight = weight.data(),
                                           .bias = bias.data(),
                                           .epsilon = 1e-5F,
                                           .y = y.f32(),
                                           .mean = mean.data(),
                                           .rstd = rstd.data()});
      y.expect_rounded("y");
      EXPECT_EQ(mean, mean_of_bf16);
      EXPECT_EQ(rstd, rstd_of_bf16);

      Twin dy(kRows, columns, 5);
      Twin dx(kRows, columns, 6);
      Twin d_residual(kRows, columns, 7);
      std::vector<float> d_weight(weight.size());
      std::vector<float> d_bias(weight.size());
      std::vector<float> d_weight_of_bf16(weight.size());
      std::vector<float> d_bias_of_bf16(weight.size());
      kernels_.run(calls::LayerNormBackward{.dy = dy.f32(),
                                            .sum = sum.f32(),
                                            .mean = mean.data(),
                                            .rstd = rstd.data(),
                                            .weight = weight.data(),
                                            .names = names(),
                                            .dropout = dropout,
                                            .dx = dx.f32(),
                                            .d_residual = d_residual.f32(),
                                            .accumulate_residual = true,
                                            .d_weight = d_weight.data(),
                                            .d_bias = d_bias.data()});
      kernels_.run(calls::LayerNormBackward{.dy = dy.bf16(),
                                            .sum = sum.bf16(),
                                            .mean = mean.data(),
                                            .rstd = rstd.data(),
                                            .weight = weight.data(),
                                            .names = names(),
                                            .dropout = dropout,
                                            .dx = dx.bf16(),
                                            .d_residual = d_residual.bf16(),
                                            .accumulate_residual = true,
                                            .d_weight = d_weight_of_bf16.data(),
                                            .d_bias = d_bias_of_bf16.data()});
      dx.expect_rounded("dx");
      d_residual.expect_rounded("d_residual");
      EXPECT_EQ(d_weight, d_weight_of_bf16);
      EXPECT_EQ(d_bias, d_bias_of_bf16);
    }
  }
}

/// Attention in both types, forward and backward.
struct AttentionRun {
  static constexpr std::int64_t kHeads = 2;
  PackedSequences sequences;
  Dropout dropout;
  AttentionShape shape;
  Twin q, k, v, out, d_out, dq, dk, dv;
  std::vector<float> log_sum_exp;
  std::vector<float> log_sum_exp_of_bf16;

  AttentionRun(CpuKernels& kernels, const PackedSequences& packed, std::int64_t query_tokens, std::int64_t width,
               const Dropout& dropping)
      : sequences(packed),
        dropout(dropping),
        shape(AttentionShape::plain(kHeads, width)),
        q(query_tokens, kHeads * width, 1),
        k(packed.tokens, kHeads * width, 2),
        v(packed.tokens, kHeads * width, 3),
        out(query_tokens, kHeads * width, 4),
        d_out(query_tokens, kHeads * width, 5),
        dq(query_tokens, kHeads * width, 6),
        dk(packed.tokens, kHeads * width, 7),
        dv(packed.tokens, kHeads * width, 8),
        log_sum_exp(static_cast<std::size_t>(query_tokens * kHeads)),
        log_sum_exp_of_bf16(log_sum_exp.size()) {
    kernels.run(calls::AttentionForward{.q = q.f32(),
                                        .k = k.f32(),
                                        .v = v.f32(),
                                        .sequences = sequences,
                                        .shape = shape,
                                        .dropout = dropout,
                                        .out = out.f32(),
                                        .log_sum_exp = log_sum_exp.data()});
    kernels.run(forward_of_bf16());
  }
  calls::AttentionForward forward_of_bf16() {
    return calls::AttentionForward{.q = q.bf16(),
                                   .k = k.bf16(),
                                   .v = v.bf16(),
                                   .sequences = sequences,
                                   .shape = shape,
                                   .dropout = dropout,
                                   .out = out.bf16(),
                                   .log_sum_exp = log_sum_exp_of_bf16.data()};
  }
  calls::AttentionBackward backward_of_bf16() {
    return calls::AttentionBackward{.q = q.bf16(),
                                    .k = k.bf16(),
                                    .v = v.bf16(),
                                    .out = out.bf16(),
                                    .d_out = d_out.bf16(),
                                    .log_sum_exp = log_sum_exp_of_bf16.data(),
                                    .sequences = sequences,
                                    .shape = shape,
                                    .dropout = dropout,
                                    .dq = dq.bf16(),
                                    .dk = dk.bf16(),
                                    .dv = dv.bf16()};
  }
  void backward(CpuKernels& kernels) {
    kernels.run(calls::AttentionBackward{.q = q.f32(),
                                         .k = k.f32(),
                                         .v = v.f32(),
                                         .out = out.f32(),
                                         .d_out = d_out.f32(),
                                         .log_sum_exp = log_sum_exp.data(),
                                         .sequences = sequences,
                                         .shape = shape,
                                         .dropout = dropout,
                                         .dq = dq.f32(),
                                         .dk = dk.f32(),
                                         .dv = dv.f32()});
    kernels.run(backward_of_bf16());
  }
};

TEST_P(BFloat16Test, AttentionOfShortSequences) {
  const std::vector<std::int32_t> starts{0, 1, 31, 31, 50};
  const std::vector<std::uint32_t> examples{4, 2, 9, 7};
  const PackedSequences sequences{50, 4, starts.data(), examples.data(), 30};
  for (const std::int64_t width : {5, 32, 64}) {
    for (const temper::Dropout& dropout : {temper::Dropout{}, kRoundedDropout}) {
      AttentionRun run(kernels_, sequences, 50, width, dropout);
      run.out.expect_rounded("out");
      EXPECT_EQ(run.log_sum_exp, run.log_sum_exp_of_bf16);
      run.out.round();
      run.backward(kernels_);
      run.dq.expect_rounded("dq");
      run.dk.expect_rounded("dk");
      run.dv.expect_rounded("dv");
    }
  }
}

TEST_P(BFloat16Test, AttentionOfLongSequencesRoundsProbabilitiesToo) {
  // Odd and even lengths, of one tile, of a tile and one, of several; short ones in between.
  const std::vector<std::int32_t> starts{0, 33, 97, 98, 163, 163, 291, 464};
  const std::vector<std::uint32_t> examples{4, 2, 9, 7, 1, 3, 8};
  const PackedSequences sequences{464, 7, starts.data(), examples.data(), 173};
  for (const std::int64_t width : {5, 7, 32, 48, 64, 80, 96, 128, 192, 256}) {
    for (const temper::Dropout& dropout : {temper::Dropout{}, kRoundedDropout}) {
      AttentionRun run(kernels_, sequences, 464, width, dropout);
      run.backward(kernels_);
      run.out.expect_near(0.01, "out");
      run.dq.expect_near(0.02, "dq");
      run.dk.expect_near(0.02, "dk");
      run.dv.expect_near(0.02, "dv");
      for (std::size_t i = 0; i < run.log_sum_exp.size(); ++i) {
        ASSERT_NEAR(run.log_sum_exp_of_bf16[i], run.log_sum_exp[i], 0.01);
      }
    }
  }
}

TEST_P(BFloat16Test, AttentionInPairsAlsoWhereItDoesNotPay) {
  if (!has_bfloat16_pairs()) GTEST_SKIP() << "skipped: this processor has no products of bf16 in pairs";
  const std::vector<std::int32_t> starts{0, 33, 97, 225, 398};
  const std::vector<std::uint32_t> examples{4, 2, 9, 7};
  const PackedSequences sequences{398, 4, starts.data(), examples.data(), 173};
  for (const std::int64_t width : {7, 32, 64}) {
    AttentionRun run(kernels_, sequences, 398, width, kRoundedDropout);
    attention_forward_in_pairs(run.forward_of_bf16(), 0, 1);
    run.backward(kernels_);
    attention_backward_in_pairs(run.backward_of_bf16(), {}, 0, 1);
    run.out.expect_near(0.01, "out");
    run.dq.expect_near(0.02, "dq");
    run.dk.expect_near(0.02, "dk");
    run.dv.expect_near(0.02, "dv");
  }
}

TEST_P(BFloat16Test, AttentionOfSomeTokens) {
  // The second sequence has no queries, the third has three.
  const std::vector<std::int32_t> starts{0, 70, 140, 240};
  const std::vector<std::uint32_t> examples{4, 2, 9};
  const std::vector<std::int32_t> query_starts{0, 1, 1, 4};
  const std::vector<std::uint32_t> query_positions{0, 5, 64, 99};
  PackedSequences sequences{240, 3, starts.data(), examples.data(), 100};
  sequences.query_starts = query_starts.data();
  sequences.query_positions = query_positions.data();
  AttentionRun run(kernels_, sequences, 4, 32, kRoundedDropout);
  run.backward(kernels_);
  run.out.expect_near(0.01, "out");
  run.dq.expect_near(0.02, "dq");
  run.dk.expect_near(0.02, "dk");
  run.dv.expect_near(0.02, "dv");
}

TEST_P(BFloat16Test, Embeddings) {
  for (const std::int64_t columns : kColumns) {
    const auto table = TestMatrix::random(9, columns, 1);
    std::vector<std::int32_t> ids(kRows);
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int32_t>(i * 5 % 9);
    Twin y(kRows, columns, 2);
    for (const Rows rows : {y.f32(), y.bf16()}) {
      kernels_.run(calls::EmbeddingSumForward{.words = table.data(),
                                              .ids = ids.data(),
                                              .positions = table.data(),
                                              .position_ids = ids.data(),
                                              .types = table.data(),
                                              .type_ids = ids.data(),
                                              .y = rows});
    }
    y.expect_rounded("y");

    // One group of rows 3, 4 and 66, in two pieces.
    y.round();
    const std::vector<std::int32_t> group{7};
    const std::vector<std::int32_t> piece_starts{0, 2};
    const std::vector<std::int32_t> row_starts{0, 2, 3};
    const std::vector<std::int32_t> order{3, 4, 66};
    const RowGroups groups{1, 2, 3, group.data(), piece_starts.data(), row_starts.data(), order.data()};
    auto d_table = TestMatrix::random(9, columns, 3);
    auto d_table_of_bf16 = d_table;
    kernels_.run(calls::EmbeddingBackward{.dy = y.f32(), .groups = groups, .d_table = d_table.data()});
    kernels_.run(calls::EmbeddingBackward{.dy = y.bf16(), .groups = groups, .d_table = d_table_of_bf16.data()});
    EXPECT_EQ(d_table.values(), d_table_of_bf16.values());

    Twin gathered(3, columns, 4);
    for (const bool bf16 : {false, true}) {
      kernels_.run(calls::GatherRows{
          .x = bf16 ? y.bf16() : y.f32(), .rows = order.data(), .y = bf16 ? gathered.bf16() : gathered.f32()});
    }
    gathered.expect_rounded("gathered");
    gathered.round();
    for (const bool bf16 : {false, true}) {
      kernels_.run(calls::ScatterAddRows{
          .dy = bf16 ? gathered.bf16() : gathered.f32(), .rows = order.data(), .dx = bf16 ? y.bf16() : y.f32()});
    }
    y.expect_rounded("y, added to");
  }
}

TEST_P(BFloat16Test, Losses) {
  constexpr std::int64_t kClasses = 133;
  std::vector<std::int32_t> labels(kRows);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = i % 7 == 0 ? -100 : static_cast<std::int32_t>(i);
  const std::vector<float> targets(static_cast<std::size_t>(kRows * kClasses), 0.25F);
  const auto compare = [&](const char* what, const auto& loss) {
    Twin logits(kRows, kClasses, 1);
    Twin gradient(kRows, kClasses, 2);
    std::array<double, 2> sum{};
    std::array<double, 2> sum_of_bf16{};
    loss(logits.f32(), gradient.f32(), sum.data());
    loss(logits.bf16(), gradient.bf16(), sum_of_bf16.data());
    gradient.expect_rounded(what);
    EXPECT_EQ(sum, sum_of_bf16) << what;
    // The gradient may replace the logits.
    loss(logits.f32(), logits.f32(), sum.data());
    loss(logits.bf16(), logits.bf16(), sum.data());
    logits.expect_rounded(what);
  };
  compare("cross entropy", [&](Rows logits, Rows gradient, double* sum) {
    kernels_.run(calls::CrossEntropy{
        .logits = logits, .labels = labels.data(), .label_smoothing = 0.1F, .d_logits = gradient, .sum = sum});
  });
  compare("binary cross entropy", [&](Rows logits, Rows gradient, double* sum) {
    kernels_.run(
        calls::BinaryCrossEntropy{.logits = logits, .targets = targets.data(), .d_logits = gradient, .sum = sum});
  });
  compare("mean squared error", [&](Rows logits, Rows gradient, double* sum) {
    kernels_.run(calls::MeanSquaredError{
        .predictions = logits, .targets = targets.data(), .d_predictions = gradient, .sum = sum});
  });
}

}  // namespace
}  // namespace temper
