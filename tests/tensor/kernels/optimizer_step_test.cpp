#include <omp.h>

#include "tests/tensor/kernels/kernel_testing.h"

namespace temper {
namespace {

class OptimizerStepTest : public KernelTest {};
TEMPER_ON_EACH_INSTRUCTION_SET(OptimizerStepTest);

const std::vector<std::vector<float>> kGradients = {{0.1F, -0.2F, 0.3F}, {0.05F, 0.4F, -0.1F}, {-0.3F, 0.0F, 0.2F}};

// Expected values computed by torch.optim.AdamW and torch.optim.SGD in double precision.
TEST_P(OptimizerStepTest, AdamWTakesTheStepsOfPyTorch) {
  const std::vector<std::vector<double>> expected = {{0.489500001, -0.9890000005, 1.9880000003},
                                                     {0.4796887058, -0.9916720357, 1.9820098148},
                                                     {0.4826812520, -0.9935103544, 1.9739969403}};
  std::vector<float> parameters = {0.5F, -1.0F, 2.0F};
  std::vector<float> first(3, 0.0F);
  std::vector<float> second(3, 0.0F);
  AdamWStep step;
  step.learning_rate = 0.01F;
  step.weight_decay = 0.1F;
  for (std::size_t i = 0; i < kGradients.size(); ++i) {
    step.step = static_cast<std::int64_t>(i) + 1;
    kernels_.run(calls::AdamW{.parameters = parameters.data(),
                              .gradients = kGradients[i].data(),
                              .first_moments = first.data(),
                              .second_moments = second.data(),
                              .n = 3,
                              .step = step});
    expect_close(to_double(parameters), expected[i], 2e-7);
  }
}

TEST_P(OptimizerStepTest, SgdTakesTheStepsOfPyTorch) {
  const std::vector<std::vector<double>> expected = {
      {0.4985, -0.997, 1.995}, {0.4961515, -0.997303, 1.989505}, {0.4965416985, -0.996578397, 1.980569995}};
  std::vector<float> parameters = {0.5F, -1.0F, 2.0F};
  std::vector<float> momenta(3, 0.0F);
  const SgdStep step{.learning_rate = 0.01F, .momentum = 0.9F, .weight_decay = 0.1F, .gradient_scale = 1.0F};
  for (std::size_t i = 0; i < kGradients.size(); ++i) {
    kernels_.run(calls::Sgd{.parameters = parameters.data(),
                            .gradients = kGradients[i].data(),
                            .momenta = momenta.data(),
                            .n = 3,
                            .step = step});
    expect_close(to_double(parameters), expected[i], 2e-7);
  }
}

TEST_P(OptimizerStepTest, SgdWithoutMomentumNeedsNoState) {
  std::vector<float> parameters = {1.0F, 2.0F};
  const std::vector<float> gradients = {2.0F, 4.0F};
  kernels_.run(calls::Sgd{.parameters = parameters.data(),
                          .gradients = gradients.data(),
                          .n = 2,
                          .step = {.learning_rate = 0.5F, .gradient_scale = 0.25F}});
  EXPECT_EQ(parameters, (std::vector<float>{0.75F, 1.5F}));
}

TEST_P(OptimizerStepTest, AdamWMatchesDoublePrecisionAtAnyLength) {
  for (const std::int64_t n : {0, 1, 7, 33, 384, 100003}) {
    auto parameters = TestMatrix::random(1, n, 1);
    const auto gradients = TestMatrix::random(1, n, 2);
    auto first = TestMatrix::random(1, n, 3);
    auto second = TestMatrix::random(1, n, 4);
    std::vector<double> expected;
    for (std::int64_t i = 0; i < n; ++i) {
      second(0, i) = std::abs(second(0, i));
      const double g = 0.5 * static_cast<double>(gradients(0, i));
      const double m = 0.9 * static_cast<double>(first(0, i)) + 0.1 * g;
      const double v = 0.999 * static_cast<double>(second(0, i)) + 0.001 * g * g;
      expected.push_back(static_cast<double>(parameters(0, i)) * (1.0 - 0.02 * 0.01) -
                         0.02 / (1.0 - std::pow(0.9, 7)) * m / (std::sqrt(v / (1.0 - std::pow(0.999, 7))) + 1e-8));
    }
    const AdamWStep step{.learning_rate = 0.02F,
                         .beta1 = 0.9,
                         .beta2 = 0.999,
                         .epsilon = 1e-8F,
                         .weight_decay = 0.01F,
                         .gradient_scale = 0.5F,
                         .step = 7};
    kernels_.run(calls::AdamW{.parameters = parameters.data(),
                              .gradients = gradients.data(),
                              .first_moments = first.data(),
                              .second_moments = second.data(),
                              .n = n,
                              .step = step});
    expect_close(parameters.values(), expected, 2e-7);
  }
}

TEST_P(OptimizerStepTest, LionFollowsTheSignOfTheAverage) {
  for (const std::int64_t n : {0, 1, 7, 33, 384, 100003}) {
    auto parameters = TestMatrix::random(1, n, 1);
    auto gradients = TestMatrix::random(1, n, 2);
    auto momenta = TestMatrix::random(1, n, 3);
    if (n > 1) gradients(0, 1) = momenta(0, 1) = 0.0F;
    std::vector<double> expected;
    std::vector<double> expected_momenta;
    for (std::int64_t i = 0; i < n; ++i) {
      const double g = 0.5 * static_cast<double>(gradients(0, i));
      const double m = static_cast<double>(momenta(0, i));
      const double direction = 0.9 * m + 0.1 * g;
      const double sign = direction > 0.0 ? 1.0 : direction < 0.0 ? -1.0 : 0.0;
      expected.push_back(static_cast<double>(parameters(0, i)) * (1.0 - 0.02 * 0.01) - 0.02 * sign);
      expected_momenta.push_back(0.99 * m + 0.01 * g);
    }
    const LionStep step{.learning_rate = 0.02F, .weight_decay = 0.01F, .gradient_scale = 0.5F};
    kernels_.run(calls::Lion{.parameters = parameters.data(),
                             .gradients = gradients.data(),
                             .momenta = momenta.data(),
                             .n = n,
                             .step = step});
    expect_close(parameters.values(), expected, 2e-7);
    expect_close(momenta.values(), expected_momenta, 2e-7);
  }
}

TEST_P(OptimizerStepTest, WorkingReceivesTheUpdatedParametersRoundedAndChangesNothingElse) {
  constexpr BFloat16 kUntouchedBits{0xABCD};
  const int before = omp_get_max_threads();
  // The last is long enough for several threads.
  for (const std::int64_t n : {0, 1, 7, 33, 384, 100003}) {
    const auto gradients = TestMatrix::random(1, n, 2);
    const auto expect_rounded = [&](const auto& update) {
      for (const int threads : {1, 3}) {
        omp_set_num_threads(threads);
        auto plain = TestMatrix::random(1, n, 1);
        auto parameters = plain;
        std::vector<float> first(static_cast<std::size_t>(n), 0.5F);
        std::vector<float> second(first.size(), 0.25F);
        auto first_beside = first;
        auto second_beside = second;
        std::vector<BFloat16> compute_copy(first.size() + 1, kUntouchedBits);
        update(plain.data(), first.data(), second.data(), nullptr);
        update(parameters.data(), first_beside.data(), second_beside.data(), compute_copy.data());
        EXPECT_EQ(parameters.values(), plain.values());
        EXPECT_EQ(first_beside, first);
        EXPECT_EQ(second_beside, second);
        for (std::int64_t i = 0; i < n; ++i) {
          ASSERT_EQ(compute_copy[static_cast<std::size_t>(i)].bits, to_bfloat16(plain(0, i)).bits) << i;
        }
        EXPECT_EQ(compute_copy.back().bits, kUntouchedBits.bits) << "behind the end";
      }
    };
    expect_rounded([&](float* parameters, float* first, float* second, BFloat16* compute_copy) {
      kernels_.run(calls::AdamW{.parameters = parameters,
                                .gradients = gradients.data(),
                                .first_moments = first,
                                .second_moments = second,
                                .compute_copy = compute_copy,
                                .n = n,
                                .step = {.learning_rate = 0.01F}});
    });
    expect_rounded([&](float* parameters, float* first, float* /*second*/, BFloat16* compute_copy) {
      kernels_.run(calls::Sgd{.parameters = parameters,
                              .gradients = gradients.data(),
                              .momenta = first,
                              .compute_copy = compute_copy,
                              .n = n,
                              .step = {.learning_rate = 0.01F, .momentum = 0.9F}});
    });
    expect_rounded([&](float* parameters, float* first, float* /*second*/, BFloat16* compute_copy) {
      kernels_.run(calls::Lion{.parameters = parameters,
                               .gradients = gradients.data(),
                               .momenta = first,
                               .compute_copy = compute_copy,
                               .n = n,
                               .step = {.learning_rate = 0.01F}});
    });
    expect_rounded([&](float* parameters, float* /*first*/, float* second, BFloat16* compute_copy) {
      kernels_.run(
          calls::Adafactor{.slice = {.parameters = parameters, .gradients = gradients.data(), .squares = second},
                           .compute_copy = compute_copy,
                           .n = n,
                           .step = {.step_size = 0.01F}});
    });
    expect_rounded([&](float* parameters, float* /*first*/, float* /*second*/, BFloat16* compute_copy) {
      kernels_.run(calls::Sgd{.parameters = parameters,
                              .gradients = gradients.data(),
                              .compute_copy = compute_copy,
                              .n = n,
                              .step = {.learning_rate = 0.01F}});
    });
  }
  omp_set_num_threads(before);
}

TEST_P(OptimizerStepTest, AdamWGivesTheSameBitsOnAnyNumberOfThreads) {
  const int before = omp_get_max_threads();
  std::vector<std::vector<double>> results;
  for (const int threads : {1, 3}) {
    omp_set_num_threads(threads);
    auto parameters = TestMatrix::random(1, 100003, 1);
    const auto gradients = TestMatrix::random(1, 100003, 2);
    auto first = TestMatrix::random(1, 100003, 3);
    std::vector<float> second(100003, 0.25F);
    kernels_.run(calls::AdamW{.parameters = parameters.data(),
                              .gradients = gradients.data(),
                              .first_moments = first.data(),
                              .second_moments = second.data(),
                              .n = 100003,
                              .step = {.learning_rate = 0.01F}});
    results.push_back(parameters.values());
  }
  omp_set_num_threads(before);
  EXPECT_EQ(results[1], results[0]);
}

}  // namespace
}  // namespace temper
