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

  expect_refused<3>("matmul", [&](auto& at) { kernels_.matmul(at[0], true, at[1], false, square(at[2]), false); });
  expect_refused<5>("linear_forward", [&](auto& at) {
    kernels_.linear_forward(at[0], square(at[1]), first_row(at[2]), Activation::gelu, at[3], at[4]);
  });
  expect_refused<2>("linear_weight_gradient",
                    [&](auto& at) { kernels_.linear_weight_gradient(at[0], at[1], weight, false, row.data(), false); });
  expect_refused<3>("bias_activation_forward", [&](auto& at) {
    kernels_.bias_activation_forward(at[0], first_row(at[1]), Activation::gelu, at[2]);
  });
  expect_refused<4>("bias_activation_backward", [&](auto& at) {
    kernels_.bias_activation_backward(at[0], at[1], at[2], Activation::gelu, at[3], row.data(), false);
  });
  expect_refused<2>("dropout", [&](auto& at) { kernels_.dropout(at[0], {names.data(), names.data()}, {}, at[1]); });
  expect_refused<2>(
      "copy", [&](auto& at) { kernels_.copy(at[0], at[1], false); }, DType::f16);
  expect_refused<4>("layer_norm_forward", [&](auto& at) {
    kernels_.layer_norm_forward(at[0], at[1], {}, {}, row.data(), row.data(), 1e-5F, at[2], at[3], of_rows.data(),
                                of_rows.data());
  });
  expect_refused<4>("layer_norm_backward", [&](auto& at) {
    kernels_.layer_norm_backward(at[0], at[1], of_rows.data(), of_rows.data(), row.data(), {}, {}, at[2], at[3], false,
                                 nullptr, false, nullptr, false);
  });
  expect_refused<4>("attention_forward", [&](auto& at) {
    kernels_.attention_forward(at[0], at[1], at[2], sequences, 4, 0.2F, {}, at[3], log_sum_exp.data());
  });
  expect_refused<8>("attention_backward", [&](auto& at) {
    kernels_.attention_backward(at[0], at[1], at[2], at[3], at[4], log_sum_exp.data(), sequences, 4, 0.2F, {}, at[5],
                                at[6], at[7]);
  });
  expect_refused<1>(
      "embedding_sum_forward",
      [&](auto& at) {
        kernels_.embedding_sum_forward(row.data(), indices.data(), row.data(), indices.data(), nullptr, nullptr, at[0]);
      },
      DType::f16);
  expect_refused<1>(
      "embedding_backward", [&](auto& at) { kernels_.embedding_backward(at[0], groups, row.data()); }, DType::f16);
  expect_refused<2>("gather_rows", [&](auto& at) { kernels_.gather_rows(at[0], indices.data(), at[1]); });
  expect_refused<2>("scatter_add_rows", [&](auto& at) { kernels_.scatter_add_rows(at[0], indices.data(), at[1]); });
  expect_refused<2>("cross_entropy",
                    [&](auto& at) { kernels_.cross_entropy(at[0], indices.data(), nullptr, 0.0F, at[1], sum.data()); });
  expect_refused<2>("binary_cross_entropy",
                    [&](auto& at) { kernels_.binary_cross_entropy(at[0], targets.data(), at[1], sum.data()); });
  expect_refused<2>("mean_squared_error",
                    [&](auto& at) { kernels_.mean_squared_error(at[0], targets.data(), at[1], sum.data()); });
  omp_set_num_threads(before);
}

}  // namespace
}  // namespace temper
