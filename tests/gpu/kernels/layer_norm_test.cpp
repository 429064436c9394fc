#include <numeric>

#include "tests/gpu/gpu_testing.h"

namespace temper {
namespace {

constexpr float kEpsilon = 1e-5F;
const Dropout kNormDropout{.rate = 0.25F, .place = 9, .key = random_key(3, 4)};

/// The sizes of all kernels, and one for each number of packs that a thread of this one may keep, and beyond.
std::vector<MatrixSize> sizes() {
  std::vector<MatrixSize> result(kSizes);
  for (const std::int64_t columns : {256, 520, 768, 1032, 2056, 4104}) result.push_back({3, columns});
  return result;
}

/// Parameters and statistics of a norm, and its call on each device.
struct Norm {
  TwinMatrix weight;
  TwinMatrix bias;
  TwinMatrix mean;
  TwinMatrix rstd;

  calls::LayerNormForward cpu(TwinMatrix& x, TwinMatrix& y, TwinMatrix& sum) {
    return {.x = x.cpu(),
            .weight = weight.cpu().data,
            .bias = bias.cpu().data,
            .epsilon = kEpsilon,
            .y = y.cpu(),
            .sum = sum.cpu(),
            .mean = mean.cpu().data,
            .rstd = rstd.cpu().data};
  }
  calls::LayerNormForward gpu(TwinMatrix& x, TwinMatrix& y, TwinMatrix& sum) {
    return {.x = x.gpu(),
            .weight = weight.gpu_floats(),
            .bias = bias.gpu_floats(),
            .epsilon = kEpsilon,
            .y = y.gpu(),
            .sum = sum.gpu(),
            .mean = mean.gpu_floats(),
            .rstd = rstd.gpu_floats()};
  }
};

class GpuLayerNormTest : public GpuActivationsTest {
 protected:
  TwinMatrix random(MatrixSize size, unsigned seed, Lie lie = Lie::packed) {
    return TwinMatrix::random(gpu(), type(), size.rows, size.columns, seed, lie);
  }
  TwinMatrix empty(MatrixSize size, Lie lie = Lie::packed) { return {gpu(), type(), size.rows, size.columns, lie}; }
  TwinMatrix parameters(std::int64_t columns, unsigned seed) {
    return TwinMatrix::random(gpu(), DType::f32, 1, columns, seed);
  }
  TwinMatrix statistics(std::int64_t rows) { return {gpu(), DType::f32, 1, rows}; }
  Norm norm(MatrixSize size) {
    return {parameters(size.columns, 3), parameters(size.columns, 4), statistics(size.rows), statistics(size.rows)};
  }
};
TEMPER_FOR_EACH_TYPE(GpuLayerNormTest);

/// Names of rows for dropout.
struct Names {
  TwinArray<std::uint32_t> examples;
  TwinArray<std::uint32_t> positions;

  Names(Device& gpu, std::int64_t rows) : examples(gpu, counted(rows, 100)), positions(gpu, counted(rows, 3)) {}
  [[nodiscard]] TokenKeys cpu() { return {examples.cpu(), positions.cpu()}; }
  [[nodiscard]] TokenKeys gpu() const { return {examples.gpu(), positions.gpu()}; }

 private:
  static std::vector<std::uint32_t> counted(std::int64_t rows, std::uint32_t first) {
    std::vector<std::uint32_t> names(static_cast<std::size_t>(rows));
    std::iota(names.begin(), names.end(), first);
    return names;
  }
};

TEST_P(GpuLayerNormTest, ForwardMatchesCpu) {
  for (const MatrixSize size : sizes()) {
    Names names(gpu(), size.rows);
    for (const Lie lie : kLies) {
      for (const Dropout& dropout : {Dropout{}, kNormDropout}) {
        for (const bool with_residual : {false, true}) {
          auto x = random(size, 1, lie);
          auto residual = random(size, 2, lie);
          auto y = empty(size, lie);
          auto sum = empty(size, lie);
          Norm of = norm(size);
          calls::LayerNormForward on_host = of.cpu(x, y, sum);
          if (with_residual) on_host.residual = residual.cpu();
          on_host.names = names.cpu();
          on_host.dropout = dropout;
          on_cpu().run(on_host);
          // The statistics are those of the sum as it is stored.
          sum.round();
          on_cpu().run(of.cpu(sum, y, sum));
          calls::LayerNormForward call = of.gpu(x, y, sum);
          if (with_residual) call.residual = residual.gpu();
          call.names = names.gpu();
          call.dropout = dropout;
          on_gpu().run(call);
          sum.expect_agreement(gpu(), tolerance(1e-6));
          // One column has no variance: what rounding made of the sum would be all there is.
          if (size.columns > 1) y.expect_agreement(gpu(), tolerance(5e-6));
          of.mean.expect_agreement(gpu(), tolerance(5e-6));
          of.rstd.expect_agreement(gpu(), tolerance(5e-6));

          auto y_alone = empty(size, lie);
          call.y = y_alone.gpu();
          call.sum = {};
          call.mean = nullptr;
          call.rstd = nullptr;
          on_gpu().run(call);
          EXPECT_EQ(y_alone.gpu_block(gpu()), y.gpu_block(gpu()));
        }
      }
    }
  }
}

TEST_P(GpuLayerNormTest, StatisticsAreThoseOfTheStoredSum) {
  const MatrixSize size{5, 384};
  auto x = random(size, 1);
  auto residual = random(size, 2);
  for (const Lie lie : {Lie::packed, Lie::askew}) {
    auto y = empty(size, lie);
    auto sum = empty(size);
    Norm of = norm(size);
    calls::LayerNormForward call = of.gpu(x, y, sum);
    call.residual = residual.gpu();
    on_gpu().run(call);
    const std::vector<float> stored = sum.gpu_block(gpu());
    std::copy_n(stored.begin(), size.rows * size.columns, &sum(0, 0));
    on_cpu().run(of.cpu(sum, y, sum));
    of.mean.expect_agreement(gpu(), 2e-6);
    of.rstd.expect_agreement(gpu(), 2e-6);
  }
}

TEST_P(GpuLayerNormTest, SumMayBeTheInput) {
  for (const MatrixSize size : {MatrixSize{3, 33}, MatrixSize{3, 48}}) {
    auto x = random(size, 1);
    auto y = empty(size);
    Norm of = norm(size);
    on_cpu().run(of.cpu(x, y, x));
    on_gpu().run(of.gpu(x, y, x));
    x.expect_agreement(gpu(), 0.0);
    y.expect_agreement(gpu(), tolerance(2e-6));
  }
}

TEST_P(GpuLayerNormTest, FarFromZeroTheVarianceIsStillExact) {
  if (type() != DType::f32) GTEST_SKIP() << "bf16 has no digits for it";
  const MatrixSize size{3, 384};
  auto x = random(size, 1);
  for (std::int64_t row = 0; row < size.rows; ++row) {
    for (std::int64_t column = 0; column < size.columns; ++column) x(row, column) += 1000.0F;
  }
  x.upload(gpu());
  auto y = empty(size);
  Norm of = norm(size);
  on_cpu().run(of.cpu(x, y, x));
  on_gpu().run(of.gpu(x, y, x));
  of.rstd.expect_agreement(gpu(), 1e-5);
}

TEST_P(GpuLayerNormTest, BackwardMatchesCpu) {
  for (const MatrixSize size : sizes()) {
    Names names(gpu(), size.rows);
    auto weight = parameters(size.columns, 3);
    for (const Lie lie : kLies) {
      for (const Dropout& dropout : {Dropout{}, kNormDropout}) {
        for (const bool accumulate : {false, true}) {
          auto dy = random(size, 1, lie);
          auto sum = random(size, 2, lie);
          auto mean = parameters(size.rows, 5);
          auto rstd = parameters(size.rows, 6);
          auto dx = empty(size, lie);
          auto d_residual = random(size, 7, lie);
          auto d_weight = parameters(size.columns, 8);
          auto d_bias = parameters(size.columns, 9);
          on_cpu().run(calls::LayerNormBackward{.dy = dy.cpu(),
                                                .sum = sum.cpu(),
                                                .mean = mean.cpu().data,
                                                .rstd = rstd.cpu().data,
                                                .weight = weight.cpu().data,
                                                .names = names.cpu(),
                                                .dropout = dropout,
                                                .dx = dx.cpu(),
                                                .d_residual = d_residual.cpu(),
                                                .accumulate_residual = accumulate,
                                                .d_weight = d_weight.cpu().data,
                                                .accumulate_weight = accumulate,
                                                .d_bias = d_bias.cpu().data,
                                                .accumulate_bias = accumulate});
          on_gpu().run(calls::LayerNormBackward{.dy = dy.gpu(),
                                                .sum = sum.gpu(),
                                                .mean = mean.gpu_floats(),
                                                .rstd = rstd.gpu_floats(),
                                                .weight = weight.gpu_floats(),
                                                .names = names.gpu(),
                                                .dropout = dropout,
                                                .dx = dx.gpu(),
                                                .d_residual = d_residual.gpu(),
                                                .accumulate_residual = accumulate,
                                                .d_weight = d_weight.gpu_floats(),
                                                .accumulate_weight = accumulate,
                                                .d_bias = d_bias.gpu_floats(),
                                                .accumulate_bias = accumulate});
          dx.expect_agreement(gpu(), tolerance(5e-6));
          d_residual.expect_agreement(gpu(), tolerance(5e-6));
          d_weight.expect_agreement(gpu(), 1e-5);
          d_bias.expect_agreement(gpu(), 1e-5);
        }
      }
    }
  }
}

TEST_P(GpuLayerNormTest, WithoutBiasAndWithAGradientFromElsewhereMatchesCpu) {
  for (const MatrixSize size : sizes()) {
    Names names(gpu(), size.rows);
    auto weight = parameters(size.columns, 3);
    for (const Lie lie : kLies) {
      auto x = random(size, 1, lie);
      auto y = empty(size, lie);
      auto dy = random(size, 2, lie);
      auto d_sum = random(size, 4, lie);
      auto mean = parameters(size.rows, 5);
      auto rstd = parameters(size.rows, 6);
      auto dx = empty(size, lie);
      auto d_residual = random(size, 7, lie);
      on_cpu().run(
          calls::LayerNormForward{.x = x.cpu(), .weight = weight.cpu().data, .epsilon = kEpsilon, .y = y.cpu()});
      on_gpu().run(
          calls::LayerNormForward{.x = x.gpu(), .weight = weight.gpu_floats(), .epsilon = kEpsilon, .y = y.gpu()});
      if (size.columns > 1) y.expect_agreement(gpu(), tolerance(5e-6));
      on_cpu().run(calls::LayerNormBackward{.dy = dy.cpu(),
                                            .sum = x.cpu(),
                                            .mean = mean.cpu().data,
                                            .rstd = rstd.cpu().data,
                                            .weight = weight.cpu().data,
                                            .d_sum = d_sum.cpu(),
                                            .names = names.cpu(),
                                            .dropout = kNormDropout,
                                            .dx = dx.cpu(),
                                            .d_residual = d_residual.cpu(),
                                            .accumulate_residual = true});
      on_gpu().run(calls::LayerNormBackward{.dy = dy.gpu(),
                                            .sum = x.gpu(),
                                            .mean = mean.gpu_floats(),
                                            .rstd = rstd.gpu_floats(),
                                            .weight = weight.gpu_floats(),
                                            .d_sum = d_sum.gpu(),
                                            .names = names.gpu(),
                                            .dropout = kNormDropout,
                                            .dx = dx.gpu(),
                                            .d_residual = d_residual.gpu(),
                                            .accumulate_residual = true});
      dx.expect_agreement(gpu(), tolerance(5e-6));
      d_residual.expect_agreement(gpu(), tolerance(5e-6));
    }
  }
}

TEST_P(GpuLayerNormTest, RootMeanSquaresMatchCpu) {
  for (const MatrixSize size : sizes()) {
    Names names(gpu(), size.rows);
    auto weight = parameters(size.columns, 3);
    for (const Lie lie : kLies) {
      for (const float offset : {0.0F, 1.0F}) {
        auto x = random(size, 1, lie);
        auto residual = random(size, 2, lie);
        auto y = empty(size, lie);
        auto sum = empty(size, lie);
        auto rstd = statistics(size.rows);
        calls::LayerNormForward forward{.x = x.cpu(),
                                        .residual = residual.cpu(),
                                        .names = names.cpu(),
                                        .dropout = kNormDropout,
                                        .weight = weight.cpu().data,
                                        .epsilon = kEpsilon,
                                        .kind = NormKind::root_mean_square,
                                        .weight_offset = offset,
                                        .y = y.cpu(),
                                        .sum = sum.cpu(),
                                        .rstd = rstd.cpu().data};
        on_cpu().run(forward);
        forward.x = x.gpu();
        forward.residual = residual.gpu();
        forward.names = names.gpu();
        forward.weight = weight.gpu_floats();
        forward.y = y.gpu();
        forward.sum = sum.gpu();
        forward.rstd = rstd.gpu_floats();
        on_gpu().run(forward);
        sum.expect_agreement(gpu(), tolerance(1e-6));
        // y is made of the sum as it is stored.
        sum.round();
        on_cpu().run(calls::LayerNormForward{.x = sum.cpu(),
                                             .weight = weight.cpu().data,
                                             .epsilon = kEpsilon,
                                             .kind = NormKind::root_mean_square,
                                             .weight_offset = offset,
                                             .y = y.cpu()});
        y.expect_agreement(gpu(), tolerance(5e-6));
        rstd.expect_agreement(gpu(), tolerance(5e-6));

        auto dy = random(size, 4, lie);
        auto d_sum = random(size, 5, lie);
        auto given = random(size, 6, lie);
        auto known = parameters(size.rows, 7);
        auto dx = empty(size, lie);
        auto d_residual = random(size, 8, lie);
        auto d_weight = parameters(size.columns, 9);
        calls::LayerNormBackward backward{.dy = dy.cpu(),
                                          .sum = given.cpu(),
                                          .mean = nullptr,
                                          .rstd = known.cpu().data,
                                          .weight = weight.cpu().data,
                                          .kind = NormKind::root_mean_square,
                                          .weight_offset = offset,
                                          .d_sum = d_sum.cpu(),
                                          .names = names.cpu(),
                                          .dropout = kNormDropout,
                                          .dx = dx.cpu(),
                                          .d_residual = d_residual.cpu(),
                                          .accumulate_residual = true,
                                          .d_weight = d_weight.cpu().data,
                                          .accumulate_weight = true};
        on_cpu().run(backward);
        backward.dy = dy.gpu();
        backward.sum = given.gpu();
        backward.rstd = known.gpu_floats();
        backward.weight = weight.gpu_floats();
        backward.d_sum = d_sum.gpu();
        backward.names = names.gpu();
        backward.dx = dx.gpu();
        backward.d_residual = d_residual.gpu();
        backward.d_weight = d_weight.gpu_floats();
        on_gpu().run(backward);
        dx.expect_agreement(gpu(), tolerance(5e-6));
        d_residual.expect_agreement(gpu(), tolerance(5e-6));
        d_weight.expect_agreement(gpu(), 1e-5);
      }
    }
  }
}

TEST_P(GpuLayerNormTest, BackwardGivesOnlyWhatIsWanted) {
  for (const MatrixSize size : {MatrixSize{67, 48}, MatrixSize{5, 7}, MatrixSize{3, 2056}}) {
    auto weight = parameters(size.columns, 3);
    auto dy = random(size, 1);
    auto sum = random(size, 2);
    auto mean = parameters(size.rows, 5);
    auto rstd = parameters(size.rows, 6);
    for (int wanted = 0; wanted < 16; ++wanted) {
      const auto wants = [&](int bit) { return (wanted & bit) != 0; };
      auto dx = empty(size);
      auto d_residual = empty(size);
      auto d_weight = parameters(size.columns, 8);
      auto d_bias = parameters(size.columns, 9);
      on_cpu().run(calls::LayerNormBackward{.dy = dy.cpu(),
                                            .sum = sum.cpu(),
                                            .mean = mean.cpu().data,
                                            .rstd = rstd.cpu().data,
                                            .weight = weight.cpu().data,
                                            .dx = wants(1) ? Rows(dx.cpu()) : Rows{},
                                            .d_residual = wants(2) ? Rows(d_residual.cpu()) : Rows{},
                                            .d_weight = wants(4) ? d_weight.cpu().data : nullptr,
                                            .d_bias = wants(8) ? d_bias.cpu().data : nullptr,
                                            .accumulate_bias = true});
      on_gpu().run(calls::LayerNormBackward{.dy = dy.gpu(),
                                            .sum = sum.gpu(),
                                            .mean = mean.gpu_floats(),
                                            .rstd = rstd.gpu_floats(),
                                            .weight = weight.gpu_floats(),
                                            .dx = wants(1) ? dx.gpu() : Rows{},
                                            .d_residual = wants(2) ? d_residual.gpu() : Rows{},
                                            .d_weight = wants(4) ? d_weight.gpu_floats() : nullptr,
                                            .d_bias = wants(8) ? d_bias.gpu_floats() : nullptr,
                                            .accumulate_bias = true});
      dx.expect_agreement(gpu(), tolerance(5e-6));
      d_residual.expect_agreement(gpu(), tolerance(5e-6));
      d_weight.expect_agreement(gpu(), 1e-5);
      d_bias.expect_agreement(gpu(), 1e-5);
    }
  }
}

TEST_P(GpuLayerNormTest, BackwardMayWriteOverItsInput) {
  for (const MatrixSize size : {MatrixSize{67, 48}, MatrixSize{5, 7}}) {
    auto weight = parameters(size.columns, 3);
    auto dy = random(size, 1);
    auto sum = random(size, 2);
    auto mean = parameters(size.rows, 5);
    auto rstd = parameters(size.rows, 6);
    std::vector<std::vector<float>> results;
    auto dx = empty(size);
    auto d_weight = parameters(size.columns, 8);
    auto d_bias = parameters(size.columns, 9);
    for (const Rows& to : {dx.gpu(), dy.gpu()}) {
      on_gpu().run(calls::LayerNormBackward{.dy = dy.gpu(),
                                            .sum = sum.gpu(),
                                            .mean = mean.gpu_floats(),
                                            .rstd = rstd.gpu_floats(),
                                            .weight = weight.gpu_floats(),
                                            .dx = to,
                                            .d_weight = d_weight.gpu_floats(),
                                            .d_bias = d_bias.gpu_floats()});
      results.push_back(d_weight.gpu_block(gpu()));
      results.push_back(d_bias.gpu_block(gpu()));
    }
    EXPECT_EQ(dy.gpu_block(gpu()), dx.gpu_block(gpu()));
    EXPECT_EQ(results[2], results[0]);
    EXPECT_EQ(results[3], results[1]);
  }
}

TEST_P(GpuLayerNormTest, BackwardHasTheSameBitsEveryTime) {
  const MatrixSize size{200, 384};
  auto weight = parameters(size.columns, 3);
  auto dy = random(size, 1);
  auto sum = random(size, 2);
  auto mean = parameters(size.rows, 5);
  auto rstd = parameters(size.rows, 6);
  std::vector<std::vector<float>> results;
  for (int run = 0; run < 2; ++run) {
    auto dx = empty(size);
    auto d_weight = parameters(size.columns, 8);
    auto d_bias = parameters(size.columns, 9);
    on_gpu().run(calls::LayerNormBackward{.dy = dy.gpu(),
                                          .sum = sum.gpu(),
                                          .mean = mean.gpu_floats(),
                                          .rstd = rstd.gpu_floats(),
                                          .weight = weight.gpu_floats(),
                                          .dx = dx.gpu(),
                                          .d_weight = d_weight.gpu_floats(),
                                          .d_bias = d_bias.gpu_floats()});
    for (const TwinMatrix* result : {&dx, &d_weight, &d_bias}) results.push_back(result->gpu_block(gpu()));
  }
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(results[i + 3], results[i]);
}

}  // namespace
}  // namespace temper
