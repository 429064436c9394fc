// The matrices of a call have one type. A second one is refused, in whichever place, before anything is done.
#include <omp.h>

#include <array>
#include <string>

#include "base/error.h"
#include "tests/tensor/kernels/kernel_testing.h"

namespace temper {
namespace {

constexpr std::int64_t kRows = 200;
constexpr std::int64_t kColumns = 128;

/// The first rows of a matrix, as many as fit a product.
Rows square(Rows x) { return {x.data, kColumns, kColumns, x.stride, x.type}; }
Rows first_row(Rows x) { return {x.data, 1, kColumns, x.stride, x.type}; }

class ElementTypeTest : public testing::Test {
 protected:
  /// Calls a kernel with f32 in all its places, and then with `odd` in one of them after the other.
  template <std::size_t kPlaces, typename Call>
  void expect_refused(const char* name, const Call& call, DType odd = DType::bf16) {
    std::array<Rows, kPlaces> places;
    const auto fill = [&] {
      for (std::size_t i = 0; i < kPlaces; ++i) {
        memory_[i].assign(static_cast<std::size_t>(kRows * kColumns), 0.0F);
        places[i] = Matrix{memory_[i].data(), kRows, kColumns, kColumns};
      }
    };
    fill();
    EXPECT_NO_THROW(call(places)) << name;
    for (std::size_t i = 0; i < kPlaces; ++i) {
      fill();
      places[i].type = odd;
      try {
        call(places);
        ADD_FAILURE() << name << " took " << name_of(odd) << " in place " << i;
      } catch (const Error& error) {
        const std::string sentence = error.what();
        EXPECT_NE(sentence.find("CPU"), std::string::npos) << sentence;
        EXPECT_NE(sentence.find(name_of(odd)), std::string::npos) << sentence;
      }
    }
  }

  CpuKernels kernels_;
  std::array<std::vector<float>, 8> memory_;
};

TEST_F(ElementTypeTest, ASecondTypeIsRefusedWithASentence) {
  const int before = omp_get_max_threads();
  // Enough work for a team of threads, where nothing may throw.
  omp_set_num_threads(2);
  std::vector<float> row(static_cast<std::size_t>(kColumns), 1.0F);
  std::vector<float> of_rows(static_cast<std::size_t>(kRows), 1.0F);
  const std::vector<std::int32_t> indices(static_cast<std::size_t>(kRows), 0);
  const std::vector<std::uint32_t> names(static_cast<std::size_t>(kRows), 0);
  std::array<double, 2> sum{};
  const std::array<std::int32_t, 2> starts{0, static_cast<std::int32_t>(kRows)};
  const PackedSequences sequences{kRows, 1, starts.data(), names.data(), kRows};
  std::vector<float> log_sum_exp(4 * of_rows.size());
  const std::array<std::int32_t, 1> piece{0};
  const std::array<std::int32_t, 2> one{0, 1};
  const RowGroups groups{1, 1, 1, piece.data(), one.data(), one.data(), piece.data()};
  TestMatrix weight(kColumns, kColumns);
  const std::vector<float> targets(static_cast<std::size_t>(kRows * kColumns));

  expect_refused<3>("matmul", [&](auto& at) {
    kernels_.run(calls::Matmul{.a = at[0], .transpose_a = true, .b = at[1], .c = square(at[2])});
  });
  expect_refused<5>(
      "linear_forward",
      [&](auto& at) {
        kernels_.run(calls::LinearForward{.x = at[0],
                                          .weight = square(at[1]),
                                          .bias = first_row(at[2]),
                                          .activation = Activation::gelu,
                                          .z = at[3],
                                          .y = at[4]});
      },
      DType::i32);  // weights may be bf16
  expect_refused<2>("linear_weight_gradient", [&](auto& at) {
    kernels_.run(calls::LinearWeightGradient{.dz = at[0], .x = at[1], .d_weight = weight, .d_bias = row.data()});
  });
  expect_refused<3>("bias_activation_forward", [&](auto& at) {
    kernels_.run(
        calls::BiasActivationForward{.z = at[0], .bias = first_row(at[1]), .activation = Activation::gelu, .y = at[2]});
  });
  expect_refused<4>("bias_activation_backward", [&](auto& at) {
    kernels_.run(calls::BiasActivationBackward{
        .dy = at[0], .z = at[1], .y = at[2], .activation = Activation::gelu, .dz = at[3], .d_bias = row.data()});
  });
  expect_refused<2>("dropout", [&](auto& at) {
    kernels_.run(calls::ApplyDropout{.x = at[0], .names = {names.data(), names.data()}, .dropout = {}, .y = at[1]});
  });
  expect_refused<2>(
      "copy", [&](auto& at) { kernels_.run(calls::Copy{.x = at[0], .y = at[1]}); }, DType::i32);
  expect_refused<3>("add_rows", [&](auto& at) { kernels_.run(calls::AddRows{.a = at[0], .b = at[1], .y = at[2]}); });
  expect_refused<3>("multiply_rows",
                    [&](auto& at) { kernels_.run(calls::MultiplyRows{.a = at[0], .b = at[1], .y = at[2]}); });
  expect_refused<2>("scale_rows",
                    [&](auto& at) { kernels_.run(calls::ScaleRows{.x = at[0], .factor = 2.0F, .y = at[1]}); });
  expect_refused<3>("gated_forward", [&](auto& at) {
    kernels_.run(calls::GatedForward{.gate = at[0], .value = at[1], .activation = Activation::gelu, .y = at[2]});
  });
  expect_refused<5>("gated_backward", [&](auto& at) {
    kernels_.run(calls::GatedBackward{
        .dy = at[0], .gate = at[1], .value = at[2], .activation = Activation::gelu, .d_gate = at[3], .d_value = at[4]});
  });
  expect_refused<1>(
      "rotate",
      [&](auto& at) {
        kernels_.run(
            calls::Rotate{.x = at[0], .positions = names.data(), .heads = 4, .frequencies = std::span(row).first(16)});
      },
      DType::f16);
  expect_refused<4>("layer_norm_forward", [&](auto& at) {
    kernels_.run(calls::LayerNormForward{.x = at[0],
                                         .residual = at[1],
                                         .weight = row.data(),
                                         .bias = row.data(),
                                         .epsilon = 1e-5F,
                                         .y = at[2],
                                         .sum = at[3],
                                         .mean = of_rows.data(),
                                         .rstd = of_rows.data()});
  });
  expect_refused<5>("layer_norm_backward", [&](auto& at) {
    kernels_.run(calls::LayerNormBackward{.dy = at[0],
                                          .sum = at[1],
                                          .mean = of_rows.data(),
                                          .rstd = of_rows.data(),
                                          .weight = row.data(),
                                          .d_sum = at[4],
                                          .dx = at[2],
                                          .d_residual = at[3]});
  });
  expect_refused<4>("attention_forward", [&](auto& at) {
    kernels_.run(calls::AttentionForward{.q = at[0],
                                         .k = at[1],
                                         .v = at[2],
                                         .sequences = sequences,
                                         .shape = AttentionShape::plain(4, kColumns / 4, 0.2F),
                                         .out = at[3],
                                         .log_sum_exp = log_sum_exp.data()});
  });
  expect_refused<8>("attention_backward", [&](auto& at) {
    kernels_.run(calls::AttentionBackward{.q = at[0],
                                          .k = at[1],
                                          .v = at[2],
                                          .out = at[3],
                                          .d_out = at[4],
                                          .log_sum_exp = log_sum_exp.data(),
                                          .sequences = sequences,
                                          .shape = AttentionShape::plain(4, kColumns / 4, 0.2F),
                                          .dq = at[5],
                                          .dk = at[6],
                                          .dv = at[7]});
  });
  expect_refused<1>(
      "embedding_sum_forward",
      [&](auto& at) {
        kernels_.run(calls::EmbeddingSumForward{.words = row.data(),
                                                .ids = indices.data(),
                                                .positions = row.data(),
                                                .position_ids = indices.data(),
                                                .y = at[0]});
      },
      DType::f16);
  expect_refused<1>(
      "embedding_backward",
      [&](auto& at) { kernels_.run(calls::EmbeddingBackward{.dy = at[0], .groups = groups, .d_table = row.data()}); },
      DType::f16);
  expect_refused<2>("gather_rows",
                    [&](auto& at) { kernels_.run(calls::GatherRows{.x = at[0], .rows = indices.data(), .y = at[1]}); });
  expect_refused<2>("scatter_rows", [&](auto& at) {
    kernels_.run(calls::ScatterRows{.x = at[0], .rows = indices.data(), .y = at[1]});
  });
  expect_refused<2>("scatter_add_rows", [&](auto& at) {
    kernels_.run(calls::ScatterAddRows{.dy = at[0], .rows = indices.data(), .dx = at[1]});
  });
  expect_refused<2>("cross_entropy", [&](auto& at) {
    kernels_.run(calls::CrossEntropy{.logits = at[0], .labels = indices.data(), .d_logits = at[1], .sum = sum.data()});
  });
  expect_refused<2>("binary_cross_entropy", [&](auto& at) {
    kernels_.run(
        calls::BinaryCrossEntropy{.logits = at[0], .targets = targets.data(), .d_logits = at[1], .sum = sum.data()});
  });
  expect_refused<2>("mean_squared_error", [&](auto& at) {
    kernels_.run(calls::MeanSquaredError{
        .predictions = at[0], .targets = targets.data(), .d_predictions = at[1], .sum = sum.data()});
  });
  omp_set_num_threads(before);
}

}  // namespace
}  // namespace temper
