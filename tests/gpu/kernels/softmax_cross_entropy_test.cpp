#include <random>

#include "tests/gpu/gpu_testing.h"

namespace temper {
namespace {

/// A classifier's, a vocabulary's, and such as end within a pack or a block.
constexpr std::initializer_list<MatrixSize> kLogits = {{0, 3},   {1, 1},   {5, 2},    {67, 7},
                                                       {200, 3}, {5, 256}, {5, 1001}, {3, 5000}};

class GpuCrossEntropyTest : public GpuActivationsTest {
 protected:
  TwinMatrix random(MatrixSize size, unsigned seed, Lie lie = Lie::packed) {
    return TwinMatrix::random(gpu(), type(), size.rows, size.columns, seed, lie, 3.0F);
  }
  TwinMatrix empty(MatrixSize size, Lie lie = Lie::packed) { return {gpu(), type(), size.rows, size.columns, lie}; }

  /// A third of them not counted.
  TwinArray<std::int32_t> labels(MatrixSize size) {
    std::mt19937 generator(7);
    std::vector<std::int32_t> result;
    for (std::int64_t row = 0; row < size.rows; ++row) {
      const auto label = static_cast<std::int32_t>(generator() % static_cast<unsigned>(size.columns));
      result.push_back(row % 3 == 1 ? -100 : label);
    }
    return {gpu(), result};
  }
  TwinArray<double> sums() { return {gpu(), {0.5, 7.0}}; }
  static void expect_sums(const TwinArray<double>& sums) {
    const auto actual = sums.gpu_values(gpu());
    EXPECT_NEAR(actual[0], sums.cpu_values()[0], 2e-6 * std::abs(sums.cpu_values()[0]));
    EXPECT_NEAR(actual[1], sums.cpu_values()[1], 1e-12 * std::abs(sums.cpu_values()[1]));
  }
};
TEMPER_FOR_EACH_TYPE(GpuCrossEntropyTest);

TEST_P(GpuCrossEntropyTest, MatchesCpu) {
  for (const MatrixSize size : kLogits) {
    auto row_labels = labels(size);
    auto weights = TwinMatrix::random(gpu(), DType::f32, 1, size.columns, 4);
    for (std::int64_t c = 0; c < size.columns; ++c) weights(0, c) = std::abs(weights(0, c)) + 0.1F;
    weights.upload(gpu());
    for (const Lie lie : kLies) {
      for (const bool weighted : {false, true}) {
        for (const float smoothing : {0.0F, 0.1F}) {
          auto logits = random(size, 1, lie);
          auto d_logits = empty(size, lie);
          auto sum = sums();
          on_cpu().run(calls::CrossEntropy{.logits = logits.cpu(),
                                           .labels = row_labels.cpu(),
                                           .class_weights = weighted ? weights.cpu().data : nullptr,
                                           .label_smoothing = smoothing,
                                           .z_loss = 0.1F * smoothing,
                                           .d_logits = d_logits.cpu(),
                                           .sum = sum.cpu()});
          on_gpu().run(calls::CrossEntropy{.logits = logits.gpu(),
                                           .labels = row_labels.gpu(),
                                           .class_weights = weighted ? weights.gpu_floats() : nullptr,
                                           .label_smoothing = smoothing,
                                           .z_loss = 0.1F * smoothing,
                                           .d_logits = d_logits.gpu(),
                                           .sum = sum.gpu()});
          d_logits.expect_agreement(gpu(), tolerance(5e-6));
          expect_sums(sum);
        }
      }
    }
  }
}

TEST_P(GpuCrossEntropyTest, GradientMayBeLeftOutOrOverwriteTheLogits) {
  for (const MatrixSize size : {MatrixSize{67, 7}, MatrixSize{5, 1001}}) {
    auto row_labels = labels(size);
    auto logits = random(size, 1);
    auto d_logits = empty(size);
    auto with = sums();
    auto without = sums();
    auto in_place = sums();
    on_gpu().run(calls::CrossEntropy{.logits = logits.gpu(),
                                     .labels = row_labels.gpu(),
                                     .label_smoothing = 0.1F,
                                     .d_logits = d_logits.gpu(),
                                     .sum = with.gpu()});
    on_gpu().run(calls::CrossEntropy{
        .logits = logits.gpu(), .labels = row_labels.gpu(), .label_smoothing = 0.1F, .sum = without.gpu()});
    on_gpu().run(calls::CrossEntropy{.logits = logits.gpu(),
                                     .labels = row_labels.gpu(),
                                     .label_smoothing = 0.1F,
                                     .d_logits = logits.gpu(),
                                     .sum = in_place.gpu()});
    EXPECT_EQ(without.gpu_values(gpu()), with.gpu_values(gpu()));
    EXPECT_EQ(in_place.gpu_values(gpu()), with.gpu_values(gpu()));
    EXPECT_EQ(logits.gpu_block(gpu()), d_logits.gpu_block(gpu()));
  }
}

TEST_P(GpuCrossEntropyTest, LogitsMayBeLarge) {
  TwinMatrix logits(gpu(), type(), 1, 3);
  logits(0, 0) = 2000.0F;
  logits(0, 1) = -2000.0F;
  logits(0, 2) = 1000.0F;
  logits.upload(gpu());
  auto d_logits = empty({1, 3});
  TwinArray<std::int32_t> label(gpu(), {2});
  auto sum = sums();
  on_cpu().run(
      calls::CrossEntropy{.logits = logits.cpu(), .labels = label.cpu(), .d_logits = d_logits.cpu(), .sum = sum.cpu()});
  on_gpu().run(
      calls::CrossEntropy{.logits = logits.gpu(), .labels = label.gpu(), .d_logits = d_logits.gpu(), .sum = sum.gpu()});
  d_logits.expect_agreement(gpu(), 0.0);
  expect_sums(sum);
}

TEST_P(GpuCrossEntropyTest, ALabelOutOfRangeGivesNoNumber) {
  for (const std::int32_t label : {3, -1}) {
    auto logits = random({2, 3}, 1);
    TwinArray<std::int32_t> row_labels(gpu(), {1, label});
    auto d_logits = empty({2, 3});
    auto sum = sums();
    on_gpu().run(calls::CrossEntropy{
        .logits = logits.gpu(), .labels = row_labels.gpu(), .d_logits = d_logits.gpu(), .sum = sum.gpu()});
    EXPECT_TRUE(std::isnan(sum.gpu_values(gpu())[0]));
  }
}

TEST_P(GpuCrossEntropyTest, HasTheSameBitsEveryTime) {
  const MatrixSize size{200, 1000};
  auto logits = random(size, 1);
  auto row_labels = labels(size);
  auto d_logits = empty(size);
  auto first = sums();
  auto second = sums();
  on_gpu().run(calls::CrossEntropy{.logits = logits.gpu(),
                                   .labels = row_labels.gpu(),
                                   .label_smoothing = 0.1F,
                                   .d_logits = d_logits.gpu(),
                                   .sum = first.gpu()});
  const auto before = d_logits.gpu_block(gpu());
  on_gpu().run(calls::CrossEntropy{.logits = logits.gpu(),
                                   .labels = row_labels.gpu(),
                                   .label_smoothing = 0.1F,
                                   .d_logits = d_logits.gpu(),
                                   .sum = second.gpu()});
  EXPECT_EQ(d_logits.gpu_block(gpu()), before);
  EXPECT_EQ(second.gpu_values(gpu()), first.gpu_values(gpu()));
}

TEST_P(GpuCrossEntropyTest, LossesOfElementsMatchCpu) {
  for (const MatrixSize size : kSizes) {
    auto targets = TwinMatrix::random(gpu(), DType::f32, size.rows, size.columns, 2);
    for (std::int64_t row = 0; row < size.rows; ++row) {
      for (std::int64_t c = 0; c < size.columns; ++c) targets(row, c) = 1.0F / (1.0F + std::exp(targets(row, c)));
    }
    targets.upload(gpu());
    for (const Lie lie : kLies) {
      for (const bool binary : {true, false}) {
        const auto run = [&](Kernels& kernels, ConstRows of, const float* truths, Rows d_of, double* sum) {
          if (binary) {
            kernels.run(calls::BinaryCrossEntropy{.logits = of, .targets = truths, .d_logits = d_of, .sum = sum});
          } else {
            kernels.run(
                calls::MeanSquaredError{.predictions = of, .targets = truths, .d_predictions = d_of, .sum = sum});
          }
        };
        auto x = random(size, 1, lie);
        auto d_x = empty(size, lie);
        auto sum = sums();
        run(on_cpu(), x.cpu(), targets.cpu().data, d_x.cpu(), sum.cpu());
        run(on_gpu(), x.gpu(), targets.gpu_floats(), d_x.gpu(), sum.gpu());
        d_x.expect_agreement(gpu(), tolerance(1e-6));
        expect_sums(sum);
        run(on_cpu(), x.cpu(), targets.cpu().data, {}, sum.cpu());
        run(on_gpu(), x.gpu(), targets.gpu_floats(), {}, sum.gpu());
        expect_sums(sum);
        run(on_cpu(), x.cpu(), targets.cpu().data, x.cpu(), sum.cpu());
        run(on_gpu(), x.gpu(), targets.gpu_floats(), x.gpu(), sum.gpu());
        x.expect_agreement(gpu(), tolerance(1e-6));
      }
    }
  }
}

}  // namespace
}  // namespace temper
