#include <numeric>

#include "tests/activations.h"
#include "tests/gpu/gpu_testing.h"

namespace temper {
namespace {

class GpuActivationTest : public GpuActivationsTest {
 protected:
  TwinMatrix random(MatrixSize size, unsigned seed, Lie lie = Lie::packed, float spread = 1.0F) {
    return TwinMatrix::random(gpu(), type(), size.rows, size.columns, seed, lie, spread);
  }
  TwinMatrix empty(MatrixSize size, Lie lie = Lie::packed) { return {gpu(), type(), size.rows, size.columns, lie}; }
};
TEMPER_FOR_EACH_TYPE(GpuActivationTest);

TEST_P(GpuActivationTest, ForwardMatchesCpu) {
  for (const MatrixSize size : kSizes) {
    for (const Lie lie : kLies) {
      for (const Activation activation : kEveryActivation) {
        auto z = random(size, 1, lie, 2.0F);
        auto y = empty(size, lie);
        on_cpu().run(calls::BiasActivationForward{.z = z.cpu(), .activation = activation, .y = y.cpu()});
        on_gpu().run(calls::BiasActivationForward{.z = z.gpu(), .activation = activation, .y = y.gpu()});
        z.expect_agreement(gpu(), 0.0);
        y.expect_agreement(gpu(), tolerance(1e-6));
        for (const DType bias_type : {DType::f32, type()}) {
          auto bias = TwinMatrix::random(gpu(), bias_type, 1, size.columns, 2);
          on_gpu().run(
              calls::BiasActivationForward{.z = z.gpu(), .bias = bias.gpu(), .activation = activation, .y = y.gpu()});
          // The activation is that of what is stored.
          on_cpu().run(calls::BiasActivationForward{.z = z.cpu(), .bias = bias.cpu(), .y = z.cpu()});
          z.round();
          on_cpu().run(calls::BiasActivationForward{.z = z.cpu(), .activation = activation, .y = y.cpu()});
          z.expect_agreement(gpu(), 0.0);
          y.expect_agreement(gpu(), tolerance(1e-6));
        }
      }
    }
  }
}

TEST_P(GpuActivationTest, ForwardInPlaceGivesTheSameBits) {
  for (const Activation activation : kEveryActivation) {
    auto z = random({5, 48}, 1);
    auto in_place = random({5, 48}, 1);
    auto bias = TwinMatrix::random(gpu(), DType::f32, 1, 48, 2);
    auto y = empty({5, 48});
    on_gpu().run(
        calls::BiasActivationForward{.z = z.gpu(), .bias = bias.gpu(), .activation = activation, .y = y.gpu()});
    on_gpu().run(calls::BiasActivationForward{
        .z = in_place.gpu(), .bias = bias.gpu(), .activation = activation, .y = in_place.gpu()});
    EXPECT_EQ(in_place.gpu_block(gpu()), y.gpu_block(gpu()));
  }
}

TEST_P(GpuActivationTest, GeluIsRelativelyExactInItsTail) {
  if (type() != DType::f32) GTEST_SKIP() << "bf16 has no digits for it";
  TwinMatrix z(gpu(), DType::f32, 1, 4000);
  for (std::int64_t column = 0; column < 4000; ++column) z(0, column) = static_cast<float>(column - 2000) * 0.004F;
  z.upload(gpu());
  TwinMatrix y(gpu(), DType::f32, 1, 4000);
  on_gpu().run(calls::BiasActivationForward{.z = z.gpu(), .activation = Activation::gelu, .y = y.gpu()});
  const auto actual = y.gpu_block(gpu());
  for (std::int64_t column = 0; column < 4000; ++column) {
    const auto at = static_cast<double>(z(0, column));
    const double expected = 0.5 * at * std::erfc(-at * std::sqrt(0.5));
    ASSERT_NEAR(static_cast<double>(actual[static_cast<std::size_t>(column)]), expected, 1e-5 * std::abs(expected))
        << at;
  }
}

TEST_P(GpuActivationTest, GeluAndSiluHaveTheirLimits) {
  for (const Activation activation :
       {Activation::gelu, Activation::gelu_tanh, Activation::quick_gelu, Activation::silu, Activation::mish}) {
    TwinMatrix z(gpu(), type(), 1, 3);
    z(0, 0) = -100.0F;
    z(0, 1) = 100.0F;
    z(0, 2) = std::nanf("");
    z.upload(gpu());
    TwinMatrix y(gpu(), type(), 1, 3);
    on_gpu().run(calls::BiasActivationForward{.z = z.gpu(), .activation = activation, .y = y.gpu()});
    const auto actual = y.gpu_block(gpu());
    EXPECT_EQ(actual[0], 0.0F);
    EXPECT_EQ(actual[1], 100.0F);
    EXPECT_TRUE(std::isnan(actual[2]));
  }
}

TEST_P(GpuActivationTest, BackwardMatchesCpu) {
  for (const MatrixSize size : kSizes) {
    for (const Lie lie : kLies) {
      for (const Activation activation : kEveryActivation) {
        const bool accumulate = size.rows % 2 == 1;
        auto dy = random(size, 1, lie);
        auto z = random(size, 2, lie);
        auto y = random(size, 3, lie, 0.5F);
        auto dz = empty(size, lie);
        auto d_bias = TwinMatrix::random(gpu(), DType::f32, 1, size.columns, 4);
        on_cpu().run(calls::BiasActivationBackward{.dy = dy.cpu(),
                                                   .z = z.cpu(),
                                                   .y = y.cpu(),
                                                   .activation = activation,
                                                   .dz = dz.cpu(),
                                                   .d_bias = d_bias.cpu().data,
                                                   .accumulate_bias = accumulate});
        on_gpu().run(calls::BiasActivationBackward{.dy = dy.gpu(),
                                                   .z = z.gpu(),
                                                   .y = y.gpu(),
                                                   .activation = activation,
                                                   .dz = dz.gpu(),
                                                   .d_bias = d_bias.gpu_floats(),
                                                   .accumulate_bias = accumulate});
        dz.expect_agreement(gpu(), tolerance(1e-6));
        d_bias.expect_agreement(gpu(), 5e-6);
      }
    }
  }
}

TEST_P(GpuActivationTest, BackwardNeedsNoBias) {
  auto dy = random({67, 48}, 1);
  auto z = random({67, 48}, 2);
  auto dz = empty({67, 48});
  on_cpu().run(
      calls::BiasActivationBackward{.dy = dy.cpu(), .z = z.cpu(), .activation = Activation::gelu, .dz = dz.cpu()});
  on_gpu().run(
      calls::BiasActivationBackward{.dy = dy.gpu(), .z = z.gpu(), .activation = Activation::gelu, .dz = dz.gpu()});
  dz.expect_agreement(gpu(), tolerance(1e-6));
}

TEST_P(GpuActivationTest, BackwardInPlaceSumsManyRowsAccurately) {
  auto dy = random({5000, 33}, 1, Lie::gaps);
  auto d_bias = TwinMatrix(gpu(), DType::f32, 1, 33);
  for (std::int64_t column = 0; column < 33; ++column) {
    double sum = 0.0;
    for (std::int64_t row = 0; row < 5000; ++row) sum += static_cast<double>(dy(row, column));
    d_bias(0, column) = static_cast<float>(sum);
  }
  on_gpu().run(calls::BiasActivationBackward{.dy = dy.gpu(), .dz = dy.gpu(), .d_bias = d_bias.gpu_floats()});
  dy.expect_agreement(gpu(), 0.0);
  d_bias.expect_agreement(gpu(), 1e-6);
}

TEST_P(GpuActivationTest, GradientOfBiasHasTheSameBitsEveryTime) {
  auto dy = random({200, 384}, 1);
  auto z = random({200, 384}, 2);
  std::vector<std::vector<float>> sums;
  for (int run = 0; run < 2; ++run) {
    auto dz = empty({200, 384});
    auto d_bias = TwinMatrix(gpu(), DType::f32, 1, 384);
    on_gpu().run(calls::BiasActivationBackward{
        .dy = dy.gpu(), .z = z.gpu(), .activation = Activation::gelu, .dz = dz.gpu(), .d_bias = d_bias.gpu_floats()});
    sums.push_back(d_bias.gpu_block(gpu()));
  }
  EXPECT_EQ(sums[1], sums[0]);
}

TEST_P(GpuActivationTest, DropoutMatchesCpu) {
  const Dropout dropout{.rate = 0.3F, .place = 5, .key = random_key(42, 17)};
  for (const MatrixSize size : kSizes) {
    TwinArray<std::uint32_t> examples(gpu(),
                                      std::vector<std::uint32_t>(static_cast<std::size_t>(size.rows), 4000000000U));
    std::vector<std::uint32_t> counted(static_cast<std::size_t>(size.rows));
    std::iota(counted.begin(), counted.end(), 3U);
    TwinArray<std::uint32_t> positions(gpu(), counted);
    for (const Lie lie : kLies) {
      auto x = random(size, 1, lie);
      auto y = empty(size, lie);
      on_cpu().run(calls::ApplyDropout{
          .x = x.cpu(), .names = {examples.cpu(), positions.cpu()}, .dropout = dropout, .y = y.cpu()});
      on_gpu().run(calls::ApplyDropout{
          .x = x.gpu(), .names = {examples.gpu(), positions.gpu()}, .dropout = dropout, .y = y.gpu()});
      y.expect_agreement(gpu(), tolerance(0.0));
      on_gpu().run(calls::ApplyDropout{
          .x = x.gpu(), .names = {examples.gpu(), positions.gpu()}, .dropout = dropout, .y = x.gpu()});
      on_cpu().run(calls::ApplyDropout{
          .x = x.cpu(), .names = {examples.cpu(), positions.cpu()}, .dropout = dropout, .y = x.cpu()});
      x.expect_agreement(gpu(), tolerance(0.0));
    }
  }
}

TEST_P(GpuActivationTest, InactiveDropoutCopies) {
  auto x = random({5, 7}, 1, Lie::askew);
  auto y = random({5, 7}, 2, Lie::gaps);
  on_cpu().run(calls::ApplyDropout{.x = x.cpu(), .names = {}, .dropout = Dropout{}, .y = y.cpu()});
  on_gpu().run(calls::ApplyDropout{.x = x.gpu(), .names = {}, .dropout = Dropout{}, .y = y.gpu()});
  y.expect_agreement(gpu(), 0.0);
}

TEST_P(GpuActivationTest, CopyConvertsAndAccumulates) {
  for (const MatrixSize size : kSizes) {
    for (const Lie lie : kLies) {
      for (const DType to : {DType::f32, DType::bf16}) {
        for (const bool accumulate : {false, true}) {
          auto x = random(size, 1, lie);
          auto y = TwinMatrix::random(gpu(), to, size.rows, size.columns, 2, lie);
          on_cpu().run(calls::Copy{.x = x.cpu(), .y = y.cpu(), .accumulate = accumulate});
          on_gpu().run(calls::Copy{.x = x.gpu(), .y = y.gpu(), .accumulate = accumulate});
          y.expect_agreement(gpu(), to == DType::f32 ? 0.0 : 4e-3);
        }
      }
    }
  }
}

TEST_P(GpuActivationTest, CopyToItselfDoubles) {
  auto x = random({5, 7}, 1);
  on_cpu().run(calls::Copy{.x = x.cpu(), .y = x.cpu(), .accumulate = true});
  on_gpu().run(calls::Copy{.x = x.gpu(), .y = x.gpu(), .accumulate = true});
  on_gpu().run(calls::Copy{.x = x.gpu(), .y = x.gpu()});
  x.expect_agreement(gpu(), 0.0);
}

TEST_P(GpuActivationTest, ClearSetsZero) {
  auto x = random({1, 48}, 1);
  on_gpu().run(calls::Clear{.data = x.gpu().data, .bytes = 48 * static_cast<std::int64_t>(size_of(type()))});
  on_gpu().run(calls::Clear{.data = nullptr, .bytes = 0});
  for (std::int64_t column = 0; column < 48; ++column) x(0, column) = 0.0F;
  x.expect_agreement(gpu(), 0.0);
}

}  // namespace
}  // namespace temper
