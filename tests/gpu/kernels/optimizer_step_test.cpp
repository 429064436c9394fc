#include <initializer_list>

#include "tests/gpu/gpu_testing.h"

namespace temper {
namespace {

/// Lengths of slices, and how many elements into the arena they begin.
struct SliceCase {
  std::int64_t n;
  std::int64_t begin;
};
constexpr std::initializer_list<SliceCase> kSlices = {{0, 0}, {1, 0}, {7, 0}, {7, 3}, {1000, 0}, {1000, 1}, {5003, 8}};

class GpuOptimizerStepTest : public GpuTest {
 protected:
  TwinMatrix random(std::int64_t n, unsigned seed) { return TwinMatrix::random(gpu(), DType::f32, 1, n, seed); }
};

/// What the parameters are in bf16, as the matrix products read them.
void expect_rounded(const std::vector<float>& parameters, const std::vector<BFloat16>& compute_copy, SliceCase slice) {
  for (std::int64_t i = slice.begin; i < slice.begin + slice.n; ++i) {
    const auto place = static_cast<std::size_t>(i);
    ASSERT_EQ(compute_copy[place].bits, to_bfloat16(parameters[place]).bits) << "element " << i;
  }
}

TEST_F(GpuOptimizerStepTest, AdamWMatchesCpu) {
  for (const SliceCase slice : kSlices) {
    const std::int64_t size = slice.begin + slice.n;
    auto parameters = random(size, 1);
    auto gradients = random(size, 2);
    auto first = random(size, 3);
    auto second = random(size, 4);
    for (std::int64_t i = 0; i < size; ++i) second(0, i) = std::abs(second(0, i));
    second.upload(gpu());
    TwinArray<BFloat16> compute_copy(gpu(), std::vector<BFloat16>(static_cast<std::size_t>(size)));
    for (std::int64_t update = 1; update <= 3; ++update) {
      const AdamWStep step{.learning_rate = 0.02F,
                           .beta1 = 0.9,
                           .beta2 = 0.999,
                           .epsilon = 1e-8F,
                           .weight_decay = 0.01F,
                           .gradient_scale = 0.37F,
                           .step = update};
      on_cpu().run(calls::AdamW{.parameters = parameters.cpu().data + slice.begin,
                                .gradients = gradients.cpu().data + slice.begin,
                                .first_moments = first.cpu().data + slice.begin,
                                .second_moments = second.cpu().data + slice.begin,
                                .n = slice.n,
                                .step = step});
      on_gpu().run(calls::AdamW{.parameters = parameters.gpu_floats() + slice.begin,
                                .gradients = gradients.gpu_floats() + slice.begin,
                                .first_moments = first.gpu_floats() + slice.begin,
                                .second_moments = second.gpu_floats() + slice.begin,
                                .compute_copy = update == 3 ? compute_copy.gpu() + slice.begin : nullptr,
                                .n = slice.n,
                                .step = step});
    }
    parameters.expect_agreement(gpu(), 2e-7);
    first.expect_agreement(gpu(), 2e-7);
    second.expect_agreement(gpu(), 2e-7);
    expect_rounded(parameters.gpu_block(gpu()), compute_copy.gpu_values(gpu()), slice);
  }
}

/// The arithmetic is one, rounding for rounding: separate products stay separate.
TEST_F(GpuOptimizerStepTest, AdamWRoundsAsItIsDefined) {
  const AdamWStep step{.learning_rate = 0.02F, .weight_decay = 0.01F, .gradient_scale = 0.37F, .step = 7};
  auto parameters = random(1000, 1);
  auto gradients = random(1000, 2);
  auto first = random(1000, 3);
  TwinMatrix second(gpu(), DType::f32, 1, 1000);
  for (std::int64_t i = 0; i < 1000; ++i) second(0, i) = std::abs(parameters(0, i));
  second.upload(gpu());
  on_gpu().run(calls::AdamW{.parameters = parameters.gpu_floats(),
                            .gradients = gradients.gpu_floats(),
                            .first_moments = first.gpu_floats(),
                            .second_moments = second.gpu_floats(),
                            .n = 1000,
                            .step = step});
  const double rate = step.learning_rate;
  const auto decay = static_cast<float>(1.0 - rate * static_cast<double>(step.weight_decay));
  const auto step_size = static_cast<float>(rate / (1.0 - std::pow(0.9, 7.0)));
  const auto correction = static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(0.999, 7.0)));
  const auto rest1 = static_cast<float>(1.0 - 0.9);
  const auto rest2 = static_cast<float>(1.0 - 0.999);
  for (std::int64_t i = 0; i < 1000; ++i) {
    const float g = gradients(0, i) * step.gradient_scale;
    const float m = std::fma(rest1, g - first(0, i), first(0, i));
    const float v = std::fma(rest2 * g, g, static_cast<float>(0.999) * second(0, i));
    const float p = parameters(0, i) * decay;
    parameters(0, i) = std::fma(-step_size, m / std::fma(std::sqrt(v), correction, step.epsilon), p);
    first(0, i) = m;
    second(0, i) = v;
  }
  parameters.expect_agreement(gpu(), 0.0);
  first.expect_agreement(gpu(), 0.0);
  second.expect_agreement(gpu(), 0.0);
}

TEST_F(GpuOptimizerStepTest, SgdMatchesCpu) {
  const SgdStep step{.learning_rate = 0.02F, .momentum = 0.9F, .weight_decay = 0.01F, .gradient_scale = 0.37F};
  for (const SliceCase slice : kSlices) {
    for (const bool with_momenta : {false, true}) {
      const std::int64_t size = slice.begin + slice.n;
      auto parameters = random(size, 1);
      auto gradients = random(size, 2);
      auto momenta = random(size, 3);
      TwinArray<BFloat16> compute_copy(gpu(), std::vector<BFloat16>(static_cast<std::size_t>(size)));
      on_cpu().run(calls::Sgd{.parameters = parameters.cpu().data + slice.begin,
                              .gradients = gradients.cpu().data + slice.begin,
                              .momenta = with_momenta ? momenta.cpu().data + slice.begin : nullptr,
                              .n = slice.n,
                              .step = step});
      on_gpu().run(calls::Sgd{.parameters = parameters.gpu_floats() + slice.begin,
                              .gradients = gradients.gpu_floats() + slice.begin,
                              .momenta = with_momenta ? momenta.gpu_floats() + slice.begin : nullptr,
                              .compute_copy = compute_copy.gpu() + slice.begin,
                              .n = slice.n,
                              .step = step});
      parameters.expect_agreement(gpu(), 2e-7);
      momenta.expect_agreement(gpu(), 2e-7);
      expect_rounded(parameters.gpu_block(gpu()), compute_copy.gpu_values(gpu()), slice);
    }
  }
}

TEST_F(GpuOptimizerStepTest, LionMatchesCpu) {
  const LionStep step{.learning_rate = 0.02F, .weight_decay = 0.01F, .gradient_scale = 0.37F};
  for (const SliceCase slice : kSlices) {
    const std::int64_t size = slice.begin + slice.n;
    auto parameters = random(size, 1);
    auto gradients = random(size, 2);
    auto momenta = random(size, 3);
    TwinArray<BFloat16> compute_copy(gpu(), std::vector<BFloat16>(static_cast<std::size_t>(size)));
    on_cpu().run(calls::Lion{.parameters = parameters.cpu().data + slice.begin,
                             .gradients = gradients.cpu().data + slice.begin,
                             .momenta = momenta.cpu().data + slice.begin,
                             .n = slice.n,
                             .step = step});
    on_gpu().run(calls::Lion{.parameters = parameters.gpu_floats() + slice.begin,
                             .gradients = gradients.gpu_floats() + slice.begin,
                             .momenta = momenta.gpu_floats() + slice.begin,
                             .compute_copy = compute_copy.gpu() + slice.begin,
                             .n = slice.n,
                             .step = step});
    parameters.expect_agreement(gpu(), 2e-7);
    momenta.expect_agreement(gpu(), 2e-7);
    expect_rounded(parameters.gpu_block(gpu()), compute_copy.gpu_values(gpu()), slice);
  }
}

}  // namespace
}  // namespace temper
