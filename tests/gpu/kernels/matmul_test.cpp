#include <optional>

#include "tests/gpu/gpu_testing.h"

namespace temper {
namespace {

struct ProductSize {
  std::int64_t m;
  std::int64_t n;
  std::int64_t k;
};
constexpr std::initializer_list<ProductSize> kProducts = {{1, 1, 1},    {5, 7, 3},    {67, 48, 33},
                                                          {48, 40, 64}, {32, 32, 32}, {0, 48, 48},
                                                          {48, 48, 0},  {5, 0, 7},    {128, 96, 1000}};

class GpuMatmulTest : public GpuActivationsTest {
 protected:
  TwinMatrix random(MatrixSize size, unsigned seed, Lie lie = Lie::packed) {
    return TwinMatrix::random(gpu(), type(), size.rows, size.columns, seed, lie);
  }
};
TEMPER_FOR_EACH_TYPE(GpuMatmulTest);

TEST_P(GpuMatmulTest, ProductMatchesCpu) {
  for (const ProductSize size : kProducts) {
    for (const Lie lie : kLies) {
      for (const bool transpose_a : {false, true}) {
        for (const bool transpose_b : {false, true}) {
          for (const DType result_type : {type(), DType::f32}) {
            for (const bool accumulate : {false, true}) {
              auto a = random(transpose_a ? MatrixSize{size.k, size.m} : MatrixSize{size.m, size.k}, 1, lie);
              auto b = random(transpose_b ? MatrixSize{size.n, size.k} : MatrixSize{size.k, size.n}, 2, lie);
              auto c = TwinMatrix::random(gpu(), result_type, size.m, size.n, 3, lie);
              on_cpu().run(calls::Matmul{.a = a.cpu(),
                                         .transpose_a = transpose_a,
                                         .b = b.cpu(),
                                         .transpose_b = transpose_b,
                                         .c = c.cpu(),
                                         .accumulate = accumulate});
              on_gpu().run(calls::Matmul{.a = a.gpu(),
                                         .transpose_a = transpose_a,
                                         .b = b.gpu(),
                                         .transpose_b = transpose_b,
                                         .c = c.gpu(),
                                         .accumulate = accumulate});
              c.expect_agreement(gpu(), result_type == DType::f32 ? 5e-6 : tolerance(5e-6));
            }
          }
        }
      }
    }
  }
}

TEST_P(GpuMatmulTest, LinearMatchesCpu) {
  for (const ProductSize size : kProducts) {
    for (const Lie lie : kLies) {
      for (const Activation activation :
           {Activation::none, Activation::gelu, Activation::gelu_tanh, Activation::silu, Activation::tanh}) {
        auto x = random({size.m, size.k}, 1, lie);
        auto weight = TwinMatrix::random(gpu(), type(), size.n, size.k, 2, Lie::packed, 0.05F);
        for (const std::optional<DType> bias_type :
             {std::optional(type()), std::optional(DType::f32), std::optional<DType>()}) {
          auto bias = TwinMatrix::random(gpu(), bias_type.value_or(DType::f32), 1, size.n, 3);
          const ConstRows cpu_bias = bias_type ? ConstRows(bias.cpu()) : ConstRows{};
          const ConstRows gpu_bias = bias_type ? ConstRows(bias.gpu()) : ConstRows{};
          auto z = random({size.m, size.n}, 4, lie);
          auto y = random({size.m, size.n}, 5, lie);
          on_cpu().run(calls::LinearForward{.x = x.cpu(),
                                            .weight = weight.cpu(),
                                            .bias = cpu_bias,
                                            .activation = activation,
                                            .z = z.cpu(),
                                            .y = y.cpu()});
          on_gpu().run(calls::LinearForward{.x = x.gpu(),
                                            .weight = weight.gpu(),
                                            .bias = gpu_bias,
                                            .activation = activation,
                                            .z = z.gpu(),
                                            .y = y.gpu()});
          // In bf16 the product, the sum with the bias and the activation may be rounded one after the other.
          z.expect_agreement(gpu(), 2 * tolerance(5e-6));
          y.expect_agreement(gpu(), 2 * tolerance(5e-6));
          auto in_place = random({size.m, size.n}, 4, lie);
          on_cpu().run(calls::LinearForward{.x = x.cpu(),
                                            .weight = weight.cpu(),
                                            .bias = cpu_bias,
                                            .activation = activation,
                                            .z = in_place.cpu(),
                                            .y = in_place.cpu()});
          on_gpu().run(calls::LinearForward{.x = x.gpu(),
                                            .weight = weight.gpu(),
                                            .bias = gpu_bias,
                                            .activation = activation,
                                            .z = in_place.gpu(),
                                            .y = in_place.gpu()});
          in_place.expect_agreement(gpu(), 2 * tolerance(5e-6));
        }
      }
    }
  }
}

TEST_P(GpuMatmulTest, ResultMayBeF32) {
  auto x = random({67, 48}, 1);
  auto weight = random({40, 48}, 2);
  auto bias = TwinMatrix::random(gpu(), DType::f32, 1, 40, 3);
  TwinMatrix z(gpu(), DType::f32, 67, 40);
  on_cpu().run(
      calls::LinearForward{.x = x.cpu(), .weight = weight.cpu(), .bias = bias.cpu(), .z = z.cpu(), .y = z.cpu()});
  on_gpu().run(
      calls::LinearForward{.x = x.gpu(), .weight = weight.gpu(), .bias = bias.gpu(), .z = z.gpu(), .y = z.gpu()});
  z.expect_agreement(gpu(), 5e-6);
}

TEST_P(GpuMatmulTest, WeightGradientMatchesCpu) {
  for (const ProductSize size : kProducts) {
    for (const Lie lie : kLies) {
      for (const bool accumulate_weight : {false, true}) {
        for (const int bias : {0, 1, 2}) {  // none, written, accumulated
          auto dz = random({size.k, size.m}, 1, lie);
          auto x = random({size.k, size.n}, 2, lie);
          auto d_weight = TwinMatrix::random(gpu(), DType::f32, size.m, size.n, 3);
          auto d_bias = TwinMatrix::random(gpu(), DType::f32, 1, size.m, 4);
          on_cpu().run(calls::LinearWeightGradient{.dz = dz.cpu(),
                                                   .x = x.cpu(),
                                                   .d_weight = d_weight.cpu(),
                                                   .accumulate_weight = accumulate_weight,
                                                   .d_bias = bias == 0 ? nullptr : d_bias.cpu().data,
                                                   .accumulate_bias = bias == 2});
          on_gpu().run(calls::LinearWeightGradient{.dz = dz.gpu(),
                                                   .x = x.gpu(),
                                                   .d_weight = d_weight.gpu().as<float>(),
                                                   .accumulate_weight = accumulate_weight,
                                                   .d_bias = bias == 0 ? nullptr : d_bias.gpu_floats(),
                                                   .accumulate_bias = bias == 2});
          dz.expect_agreement(gpu(), 0.0);
          d_weight.expect_agreement(gpu(), 5e-6);
          d_bias.expect_agreement(gpu(), 5e-6);
        }
      }
    }
  }
}

TEST_P(GpuMatmulTest, HasTheSameBitsEveryTime) {
  auto a = random({1000, 67}, 1);
  auto b = random({1000, 48}, 2);
  std::vector<std::vector<float>> results;
  for (int run = 0; run < 2; ++run) {
    TwinMatrix c(gpu(), DType::f32, 67, 48);
    on_gpu().run(calls::Matmul{.a = a.gpu(), .transpose_a = true, .b = b.gpu(), .c = c.gpu()});
    results.push_back(c.gpu_block(gpu()));
  }
  EXPECT_EQ(results[1], results[0]);
}

}  // namespace
}  // namespace temper
