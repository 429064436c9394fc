// The shared decoder of bf16: what PyTorch's autocast gives, and how far that lies from double precision. Two right
// programs in bf16 differ by about as much, so three times that distance is allowed. A loss is allowed what logits are:
// that of PyTorch, one number, lies nearer to double precision by chance than any of the values that it is a mean of.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "model/freezing.h"
#include "runtime/steps/compute_copies.h"
#include "runtime/steps/training_step.h"
#include "tensor/host_copy.h"
#include "tests/model_fixture.h"
#include "tests/test_device.h"

namespace temper {
namespace {

using testing_support::ModelFixture;
using testing_support::values_as_stored;
using testing_support::values_of;

constexpr double kTimes = 3.0;

class BFloat16Fixture : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    TEMPER_REQUIRE_FIXTURE(GetParam());
    device_ = make_test_device();
    if (!device_->has_bf16()) GTEST_SKIP() << "skipped: " << device_->name() << " has no bf16";
    fixture_ = std::make_unique<ModelFixture>(GetParam());
    std::ifstream file(fixture_->folder / "fixture.json");
    facts_ = nlohmann::json::parse(file);
  }

  [[nodiscard]] double allowed(const char* what) const {
    return kTimes * facts_.at("bf16_against_f64").at(what).at("absolute").get<double>();
  }
  static void expect_within(std::span<const float> actual, std::span<const float> expected, double bound,
                            const std::string& what) {
    ASSERT_EQ(actual.size(), expected.size()) << what;
    for (std::size_t i = 0; i < actual.size(); ++i)
      ASSERT_LE(std::abs(actual[i] - expected[i]), bound) << what << " at " << i;
  }

  std::unique_ptr<Device> device_;
  std::unique_ptr<ModelFixture> fixture_;
  nlohmann::json facts_;
};

double cosine(std::span<const float> a, std::span<const float> b) {
  double product = 0.0;
  double of_a = 0.0;
  double of_b = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    product += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    of_a += static_cast<double>(a[i]) * static_cast<double>(a[i]);
    of_b += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  return product / std::sqrt(of_a * of_b);
}

TEST_P(BFloat16Fixture, ValuesLieWithinThreeTimesThoseOfPyTorch) {
  const auto model = fixture_->load(*device_);
  ensure_compute_copies(*model, *device_, DType::bf16);
  Tape tape(*device_, Tape::Mode::evaluation, {}, DType::bf16);
  const DeviceBatch all = to_device(fixture_->batch, model->readout(), {.labelled = false}, *device_);
  for (std::int64_t stages = 1; stages <= model->stages(); ++stages) {
    const std::string name = "hidden_states." + std::to_string(stages - 1);
    const Variable hidden = model->hidden_state(tape, all.input, TokenSelection(), stages);
    expect_within(device_->download_as_f32(hidden.value()), fixture_->packed_rows(name), allowed("hidden_states"),
                  name);
  }
  const Variable logits = model->forward(tape, all.input, all.selection);
  expect_within(device_->download_as_f32(logits.value()), fixture_->logits(false), allowed("logits"), "logits");
}

TEST_P(BFloat16Fixture, GradientsLieWithinThreeTimesThoseOfPyTorch) {
  const auto model = fixture_->load(*device_);
  apply_freezing(*model, {});
  ensure_compute_copies(*model, *device_, DType::bf16);
  const BatchUse use{.labelled = true, .trains_embeddings = true};
  const DeviceBatch batch = to_device(fixture_->batch, model->readout(), use, *device_);
  std::int64_t leaf = 0;
  for (const Parameter& parameter : model->parameters().all())
    parameter.variable.bind_gradient(Tensor::empty(device_->memory(), parameter.shape), leaf++);
  Tape tape(*device_, Tape::Mode::training, {}, DType::bf16);
  const Tensor sum = Tensor::empty(device_->memory(), {2}, DType::f64);
  device_->kernels().run(calls::Clear{.data = sum.bytes(), .bytes = sum.size_bytes()});
  model->loss(tape, batch.input, batch.selection, batch.targets, sum);
  const std::vector<double> loss = device_->download<double>(sum);
  tape.backward();
  const double expected_loss = values_of<float>(fixture_->expected.tensors().at("loss")).front();
  EXPECT_NEAR(loss[0] / loss[1], expected_loss, allowed("logits"));
  const nlohmann::json& cosines = facts_.at("gradient_cosine_to_f64");
  for (const Parameter& parameter : model->parameters().all()) {
    const HostCopy copy(*device_, parameter.variable.gradient());
    std::vector<float> actual(copy.values().begin(), copy.values().end());
    for (float& value : actual) value /= static_cast<float>(loss[1]);
    const auto expected = values_as_stored(fixture_->expected, "grad.", model->names(), parameter).value();
    if (fixture_->is_rounding(expected)) continue;
    expect_within(actual, expected, allowed("gradients"), parameter.name);
    if (cosines.at(model->names().forms_of(parameter).front().name).get<double>() > 0.999) {
      EXPECT_GT(cosine(actual, expected), 0.999) << parameter.name;
    }
  }
}

TEST_P(BFloat16Fixture, FiveStepsGoTheSameWay) {
  const auto model = fixture_->load(*device_);
  apply_freezing(*model, {});
  const auto solo = make_solo_communicator();
  TrainingStepSettings settings;
  settings.clip_norm = 1.0;
  settings.optimizer.weight_decay = 0.01;
  settings.rate_factors.assign(model->parameters().all().size(), 1.0);
  settings.activations = DType::bf16;
  TrainingStep step(*model, *device_, *solo, settings);
  const auto losses = facts_.at("loss_per_step").get<std::vector<double>>();
  for (std::size_t number = 0; number < losses.size(); ++number) {
    StepBatch batch;
    batch.grains = {{fixture_->batch}};
    const StepOutcome outcome = step.run(batch, static_cast<std::int64_t>(number), 1e-3, {});
    EXPECT_NEAR(outcome.loss, losses[number], allowed("logits")) << "step " << number;
  }
}

INSTANTIATE_TEST_SUITE_P(Shared, BFloat16Fixture, testing::Values("shared/llama-causal-bf16"),
                         testing_support::test_name);

}  // namespace
}  // namespace temper
