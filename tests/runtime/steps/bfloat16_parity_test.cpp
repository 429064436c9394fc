// Whole models in bf16. What bf16 costs is known from PyTorch's own bf16: a fixture says how far that lies from its f32
// (for those of the shared folder bfloat16_reference/reference.json does), and Temper may lie as far and no more than a
// little farther: PyTorch's autocast keeps what runs past the layers (residual sums, norms) in f32, Temper's
// activations are bf16 throughout.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "model/freezing.h"
#include "runtime/steps/compute_copies.h"
#include "runtime/steps/training_step.h"
#include "tensor/host_copy.h"
#include "tests/model_fixture.h"
#include "tests/test_device.h"

namespace temper {
namespace {

using testing_support::BFloat16Reference;
using testing_support::ModelFixture;
using testing_support::values_as_stored;
using Values = std::vector<float>;

/// In the mean over all parameters; measured: 1.1 to 1.8.
constexpr double kAsFar = 2.0;

/// |a - b| / |b|, both taken as one vector.
double distance(const Values& a, const Values& b) {
  EXPECT_EQ(a.size(), b.size());
  double apart = 0.0;
  double length = 0.0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    apart += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
    length += std::pow(static_cast<double>(b[i]), 2);
  }
  return std::sqrt(apart / length);
}

Values difference(const Values& a, const Values& b) {
  Values result(a.size());
  std::transform(a.begin(), a.end(), b.begin(), result.begin(), std::minus<>());
  return result;
}

class BFloat16Parity : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    device_ = make_test_device();
    if (!device_->has_bf16()) GTEST_SKIP() << "skipped: " << device_->name() << " has no bf16";
  }

  Values download(const Tensor& tensor) const {
    const HostCopy copy(*device_, tensor);
    return {copy.values().begin(), copy.values().end()};
  }

  std::unique_ptr<Device> device_;
};

/// So that bf16 and f32 have nothing in common but their size.
bool has_no_gradient(const ModelFixture& fixture, const Model& model, const Parameter& parameter) {
  return fixture.is_rounding(values_as_stored(fixture.expected, "grad.", model.names(), parameter).value());
}

TEST_P(BFloat16Parity, LossAndLogitsAreThoseOfPyTorchInBFloat16) {
  TEMPER_REQUIRE_FIXTURE(GetParam());
  const ModelFixture fixture(GetParam());
  const BFloat16Reference reference = fixture.bfloat16();
  const auto model = fixture.load(*device_);
  ensure_compute_copies(*model, *device_, DType::bf16);
  const DeviceBatch batch = to_device(fixture.batch, model->readout(), {.labelled = true}, *device_);
  Tape tape(*device_, Tape::Mode::evaluation, {}, DType::bf16);
  const Tensor sum = Tensor::empty(device_->memory(), {2}, DType::f64);
  device_->kernels().run(calls::Clear{.data = sum.bytes(), .bytes = sum.size_bytes()});
  const Variable logits = model->forward(tape, batch.input, batch.selection);
  model->loss_of(tape, logits, batch.targets, sum);
  const std::vector<double> loss = device_->download<double>(sum);
  const double expected = reference.loss;
  EXPECT_NEAR(loss[0] / loss[1], expected, 0.01 * (1.0 + std::abs(expected)));
  if (reference.logits.empty()) return;
  EXPECT_LE(distance(device_->download_as_f32(logits.value()), reference.logits), 0.02);
}

TEST_P(BFloat16Parity, GradientsLieAsNearToF32AsThoseOfPyTorch) {
  TEMPER_REQUIRE_FIXTURE(GetParam());
  const ModelFixture fixture(GetParam());
  const BFloat16Reference reference = fixture.bfloat16();
  const auto model = fixture.load(*device_);
  apply_freezing(*model, fixture.frozen);
  ensure_compute_copies(*model, *device_, DType::bf16);
  const BatchUse use{.labelled = true, .trains_embeddings = true};
  const DeviceBatch batch = to_device(fixture.batch, model->readout(), use, *device_);
  std::int64_t leaf = 0;
  for (const Parameter& parameter : model->parameters().all())
    if (parameter.trainable())
      parameter.variable.bind_gradient(Tensor::empty(device_->memory(), parameter.shape), leaf++);
  Tape tape(*device_, Tape::Mode::training, {}, DType::bf16);
  const Tensor sum = Tensor::empty(device_->memory(), {2}, DType::f64);
  device_->kernels().run(calls::Clear{.data = sum.bytes(), .bytes = sum.size_bytes()});
  model->loss(tape, batch.input, batch.selection, batch.targets, sum);
  const auto weight = static_cast<float>(device_->download<double>(sum)[1]);
  tape.backward();
  std::size_t compared = 0;
  double all = 0.0;
  double all_of_pytorch = 0.0;
  for (const Parameter& parameter : model->parameters().all()) {
    if (!parameter.trainable() || has_no_gradient(fixture, *model, parameter)) continue;
    const std::string& name = parameter.name;
    const double of_pytorch = reference.gradient_distances.at(model->names().forms_of(parameter).front().name);
    Values actual = download(parameter.variable.gradient());
    for (float& value : actual) value /= weight;
    const double apart =
        distance(actual, values_as_stored(fixture.expected, "grad.", model->names(), parameter).value());
    EXPECT_GT(apart, 0.0) << name << " was computed in f32";
    EXPECT_LE(apart, 3.0 * of_pytorch + 0.004) << name;
    all += apart;
    all_of_pytorch += of_pytorch;
    ++compared;
  }
  EXPECT_GT(compared, 0U);
  EXPECT_LE(all, kAsFar * all_of_pytorch) << "in the mean over " << compared << " parameters";
}

TEST_P(BFloat16Parity, FiveStepsFollowF32AsCloselyAsThoseOfPyTorch) {
  TEMPER_REQUIRE_FIXTURE(GetParam());
  const ModelFixture fixture(GetParam());
  const BFloat16Reference reference = fixture.bfloat16();
  const auto solo = make_solo_communicator();
  const auto model = fixture.load(*device_);
  apply_freezing(*model, fixture.frozen);
  std::map<std::string, Values> before;
  for (const Parameter& parameter : model->parameters().all())
    if (parameter.trainable() && !has_no_gradient(fixture, *model, parameter))
      before[parameter.name] = download(parameter.variable.value());

  TrainingStepSettings settings;
  settings.clip_norm = 1.0;
  settings.optimizer.weight_decay = 0.01;
  settings.rate_factors.assign(model->parameters().all().size(), 1.0);
  settings.activations = DType::bf16;
  TrainingStep step(*model, *device_, *solo, settings);
  for (std::size_t number = 0; number < 5; ++number) {
    StepBatch batch;
    batch.grains = {{fixture.batch}};
    const StepOutcome outcome = step.run(batch, static_cast<std::int64_t>(number), 1e-3, {});
    const double loss = reference.losses[number];
    const double norm = reference.gradient_norms[number];
    EXPECT_NEAR(outcome.loss, loss, 0.02 * (1.0 + std::abs(loss))) << "step " << number;
    EXPECT_NEAR(outcome.gradient_norm, norm, 0.03 * norm) << "step " << number;
  }

  const SafetensorsFile after(fixture.folder / "after_steps.safetensors");
  double all = 0.0;
  double all_of_pytorch = 0.0;
  for (const Parameter& parameter : model->parameters().all()) {
    const std::string& name = parameter.name;
    if (!before.contains(name)) continue;
    const double of_pytorch = reference.movement_distances.at(model->names().forms_of(parameter).front().name);
    const Values value = download(parameter.variable.value());
    const Values expected = values_as_stored(after, "", model->names(), parameter).value();
    all += distance(difference(value, before[name]), difference(expected, before[name]));
    all_of_pytorch += of_pytorch;
  }
  EXPECT_LE(all, kAsFar * all_of_pytorch);
}

INSTANTIATE_TEST_SUITE_P(Encoders, BFloat16Parity, testing::ValuesIn(testing_support::bfloat16_fixtures()),
                         testing_support::test_name);

}  // namespace
}  // namespace temper
