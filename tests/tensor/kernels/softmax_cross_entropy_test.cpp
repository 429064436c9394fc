#include <array>

#include "base/error.h"
#include "tests/tensor/kernels/kernel_testing.h"

namespace temper {
namespace {

/// The loss as torch.nn.functional.cross_entropy(reduction='sum') defines it.
double cross_entropy(const std::vector<double>& logits, const std::vector<std::int32_t>& labels,
                     const std::vector<double>& weights, double smoothing) {
  const std::size_t classes = weights.size();
  double loss = 0.0;
  for (std::size_t row = 0; row < labels.size(); ++row) {
    if (labels[row] == -100) {
      continue;
    }
    double sum = 0.0;
    for (std::size_t c = 0; c < classes; ++c) {
      sum += std::exp(logits[row * classes + c]);
    }
    const auto label = static_cast<std::size_t>(labels[row]);
    loss -= (1.0 - smoothing) * weights[label] * (logits[row * classes + label] - std::log(sum));
    for (std::size_t c = 0; c < classes; ++c) {
      loss -= smoothing / static_cast<double>(classes) * weights[c] * (logits[row * classes + c] - std::log(sum));
    }
  }
  return loss;
}

/// What a kernel adds its loss to.
struct LossSum {
  std::array<double, 2> pair{};

  [[nodiscard]] double loss() const { return pair[0]; }
  [[nodiscard]] double weight() const { return pair[1]; }
};

class SoftmaxCrossEntropyTest : public KernelTest {
 protected:
  LossSum cross_entropy_of(ConstRows logits, const std::int32_t* labels, const float* class_weights,
                           float label_smoothing, Rows d_logits) {
    LossSum sum;
    kernels_.run(calls::CrossEntropy{.logits = logits,
                                     .labels = labels,
                                     .class_weights = class_weights,
                                     .label_smoothing = label_smoothing,
                                     .d_logits = d_logits,
                                     .sum = sum.pair.data()});
    return sum;
  }
};
TEMPER_ON_EACH_INSTRUCTION_SET(SoftmaxCrossEntropyTest);

// Computed by PyTorch in double precision.
TEST_P(SoftmaxCrossEntropyTest, GivesWhatPyTorchGives) {
  const std::vector<float> logits = {1.5F, -0.25F, 0.75F, 2.0F, 0.5F, -1.0F, 0.1F, 0.2F, 0.3F, -3.0F, 4.0F, 0.0F};
  const std::vector<std::int32_t> labels = {2, 0, -100, 1};
  const std::vector<float> weights = {0.5F, 2.0F, 1.25F};
  struct Expected {
    bool weighted;
    float smoothing;
    double loss;
    double mean;
    std::vector<double> gradient;
  };
  const std::vector<Expected> all = {
      {false,
       0.0F,
       1.5087897592795643,
       0.5029299197598548,
       {0.6074815621, 0.1055644666, -0.7130460287, -0.2144029654, 0.1752903921, 0.0391125733, 0, 0, 0, 0.0008946795,
        -0.0188647976, 0.0179701181}},
      {true,
       0.0F,
       1.719287482516031,
       0.4584766620042749,
       {0.7593519526, 0.1319555833, -0.8913075358, -0.1072014827, 0.0876451961, 0.0195562866, 0, 0, 0, 0.001789359,
        -0.0377295951, 0.0359402361}},
      {false,
       0.1F,
       2.033789759279564,
       0.6779299197598548,
       {0.5741482287, 0.0722311333, -0.646379362, -0.1477362987, 0.1419570588, 0.0057792399, 0, 0, 0, -0.0324386538,
        0.0478018691, -0.0153632153}},
      {true,
       0.1F,
       2.2984574541743736,
       0.6129219877798329,
       {0.7426852859, 0.0652889166, -0.8079742025, -0.0149483718, 0.0341253088, -0.019176937, 0, 0, 0, -0.0149444086,
        0.022018598, -0.0070741894}},
  };
  for (const Expected& expected : all) {
    TestMatrix d_logits(4, 3, 5);
    const LossSum sum = cross_entropy_of(ConstMatrix{logits.data(), 4, 3, 3}, labels.data(),
                                         expected.weighted ? weights.data() : nullptr, expected.smoothing, d_logits);
    EXPECT_NEAR(sum.loss(), expected.loss, 1e-6);
    EXPECT_NEAR(sum.loss() / sum.weight(), expected.mean, 1e-6);
    expect_close(d_logits.values(), expected.gradient, 3e-7);
    EXPECT_TRUE(d_logits.gaps_untouched());
  }
}

TEST_P(SoftmaxCrossEntropyTest, GradientMatchesCentralDifferences) {
  for (const std::int64_t classes : {2, 7, 33, 150}) {
    const std::vector<std::int32_t> labels = {1, -100, 0, static_cast<std::int32_t>(classes - 1)};
    auto logits = TestMatrix::random(4, classes, 1, classes + 3, 2.0F);
    auto weights = TestMatrix::random(1, classes, 2);
    for (std::int64_t c = 0; c < classes; ++c) {
      weights(0, c) = std::abs(weights(0, c));
    }
    const double smoothing = static_cast<double>(0.1F);
    const auto loss = [&](const std::vector<double>& at) {
      return cross_entropy(at, labels, weights.values(), smoothing);
    };
    const auto expected = numeric_gradient(logits.values(), loss);
    const double expected_loss = loss(logits.values());

    const LossSum alone = cross_entropy_of(logits, labels.data(), weights.data(), 0.1F, {});
    const LossSum sum = cross_entropy_of(logits, labels.data(), weights.data(), 0.1F, logits);
    EXPECT_NEAR(sum.loss(), expected_loss, 2e-6 * expected_loss);
    EXPECT_EQ(alone.loss(), sum.loss());
    EXPECT_NEAR(sum.weight(),
                static_cast<double>(weights(0, 1)) + static_cast<double>(weights(0, 0)) +
                    static_cast<double>(weights(0, classes - 1)),
                1e-12);
    expect_close(logits.values(), expected, 1e-6);
  }
}

TEST_P(SoftmaxCrossEntropyTest, WhatIsNotANumberIsNotLost) {
  for (const std::size_t at : {0U, 1U, 40U}) {
    std::vector<float> logits(41, 0.5F);
    logits[at] = std::numeric_limits<float>::quiet_NaN();
    const std::vector<std::int32_t> labels = {1};
    EXPECT_TRUE(std::isnan(cross_entropy_of(row_of(logits), labels.data(), nullptr, 0.0F, {}).loss())) << at;
  }
}

TEST_P(SoftmaxCrossEntropyTest, SurvivesLargeLogits) {
  const std::vector<float> logits = {1000.0F, -1000.0F, 999.0F};
  const std::vector<std::int32_t> labels = {1};
  TestMatrix d_logits(1, 3);
  const LossSum sum = cross_entropy_of(row_of(logits), labels.data(), nullptr, 0.0F, d_logits);
  EXPECT_NEAR(sum.loss(), 2000.0 + std::log(1.0 + std::exp(-1.0)), 1e-4);
  EXPECT_NEAR(static_cast<double>(d_logits(0, 1)), -1.0, 1e-7);
}

TEST_P(SoftmaxCrossEntropyTest, CountsNothingWhereNothingIsLabelled) {
  auto logits = TestMatrix::random(2, 5, 1);
  const std::vector<std::int32_t> labels = {-100, -100};
  const LossSum sum = cross_entropy_of(logits, labels.data(), nullptr, 0.1F, logits);
  EXPECT_EQ(sum.loss(), 0.0);
  EXPECT_EQ(sum.weight(), 0.0);
  EXPECT_EQ(logits.values(), std::vector<double>(10, 0.0));
  EXPECT_EQ(cross_entropy_of(ConstMatrix{nullptr, 0, 5, 5}, nullptr, nullptr, 0.0F, {}).weight(), 0.0);
}

TEST_P(SoftmaxCrossEntropyTest, RefusesALabelBeyondTheClasses) {
  const auto logits = TestMatrix::random(1, 5, 1);
  for (const std::int32_t label : {5, -1}) {
    EXPECT_THROW(cross_entropy_of(logits, &label, nullptr, 0.0F, {}), Error);
  }
}

TEST_P(SoftmaxCrossEntropyTest, BinaryMatchesCentralDifferences) {
  auto logits = TestMatrix::random(5, 3, 1, 4, 3.0F);
  logits(0, 0) = 200.0F;
  logits(0, 1) = -200.0F;
  const std::vector<float> targets = {0.0F, 1.0F, 0.25F, 1.0F, 0.0F, 1.0F, 0.5F, 0.0F,
                                      1.0F, 1.0F, 0.0F,  0.0F, 1.0F, 0.0F, 1.0F};
  const auto loss = [&](const std::vector<double>& at) {
    double sum = 0.0;
    for (std::size_t i = 0; i < at.size(); ++i) {
      const double target = static_cast<double>(targets[i]);
      const double softplus = at[i] > 100.0 ? at[i] : std::log(1.0 + std::exp(at[i]));
      sum += softplus - at[i] * target;
    }
    return sum;
  };
  const auto expected = numeric_gradient(logits.values(), loss);
  const double expected_loss = loss(logits.values());
  LossSum sum;
  kernels_.run(calls::BinaryCrossEntropy{
      .logits = logits, .targets = targets.data(), .d_logits = logits, .sum = sum.pair.data()});
  EXPECT_NEAR(sum.loss(), expected_loss, 1e-9);
  EXPECT_EQ(sum.weight(), 15.0);
  expect_close(logits.values(), expected, 1e-6);
}

TEST_P(SoftmaxCrossEntropyTest, SquaredErrorMatchesItsFormula) {
  auto predictions = TestMatrix::random(4, 3, 1, 5);
  const auto targets = TestMatrix::random(4, 3, 2);
  double expected_loss = 0.0;
  std::vector<double> expected;
  for (std::int64_t i = 0; i < 4; ++i) {
    for (std::int64_t j = 0; j < 3; ++j) {
      const double difference = static_cast<double>(predictions(i, j)) - static_cast<double>(targets(i, j));
      expected_loss += difference * difference;
      expected.push_back(2.0 * difference);
    }
  }
  LossSum sum;
  kernels_.run(calls::MeanSquaredError{
      .predictions = predictions, .targets = targets.data(), .d_predictions = predictions, .sum = sum.pair.data()});
  EXPECT_NEAR(sum.loss(), expected_loss, 1e-12);
  EXPECT_EQ(sum.weight(), 12.0);
  expect_close(predictions.values(), expected, 1e-7);
}

TEST_P(SoftmaxCrossEntropyTest, EveryLossIsAddedToWhatIsThere) {
  const auto logits = TestMatrix::random(4, 3, 1);
  const std::vector<std::int32_t> labels = {2, -100, 0, 1};
  const std::vector<float> targets(12, 0.25F);
  const auto expect_added = [](const auto& add_loss) {
    LossSum alone;
    add_loss(alone.pair.data());
    EXPECT_GT(alone.loss(), 0.0);
    EXPECT_GT(alone.weight(), 0.0);
    LossSum sum{{1.5, 4.0}};
    add_loss(sum.pair.data());
    EXPECT_EQ(sum.loss(), 1.5 + alone.loss());
    EXPECT_EQ(sum.weight(), 4.0 + alone.weight());
  };
  expect_added([&](double* sum) {
    kernels_.run(calls::CrossEntropy{.logits = logits, .labels = labels.data(), .label_smoothing = 0.1F, .sum = sum});
  });
  expect_added([&](double* sum) {
    kernels_.run(calls::BinaryCrossEntropy{.logits = logits, .targets = targets.data(), .sum = sum});
  });
  expect_added([&](double* sum) {
    kernels_.run(calls::MeanSquaredError{.predictions = logits, .targets = targets.data(), .sum = sum});
  });
}

}  // namespace
}  // namespace temper
