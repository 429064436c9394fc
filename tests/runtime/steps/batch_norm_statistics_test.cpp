#include "runtime/steps/batch_norm_statistics.h"

#include <gtest/gtest.h>

#include <cmath>

#include "model/freezing.h"
#include "model/weights.h"
#include "runtime/steps/device_batch.h"
#include "runtime/steps/training_step.h"
#include "tests/close_values.h"
#include "tests/model_fixture.h"
#include "tests/shared_data.h"
#include "tests/test_device.h"
#include "tests/world.h"

namespace temper {
namespace {

using testing_support::expect_close;
using testing_support::ModelFixture;
using testing_support::values_of;

/// Fixtures whose norms went by the rows of the batch.
class LiveBatchNorm : public testing::TestWithParam<std::string> {};

/// The statistics of the model against those of a file, under `prefix` and their names.
void expect_statistics(const Model& model, Device& device, const SafetensorsFile& file, const std::string& prefix,
                       double tolerance) {
  int compared = 0;
  for (const Parameter& parameter : model.parameters().all()) {
    if (parameter.role != ParameterRole::statistic) continue;
    const StoredForm form = model.names().forms_of(parameter).front();
    const TensorView& stored = file.tensors().at(prefix + form.name);
    const HostCopy value(device, parameter.variable.value());
    expect_close(value.values(), parameter_values(stored, form, parameter.shape), tolerance, parameter.name);
    ++compared;
  }
  EXPECT_GE(compared, 9);
}

TEST_P(LiveBatchNorm, APassMatchesPyTorch) {
  TEMPER_REQUIRE_FIXTURE(GetParam());
  const ModelFixture fixture(GetParam());
  const auto device = make_test_device();
  const auto solo = make_solo_communicator();
  const auto model = fixture.load(*device);
  const DeviceBatch batch =
      to_device(fixture.batch, model->readout(), {.labelled = true, .trains_embeddings = true}, *device);
  std::int64_t leaf = 0;
  for (const Parameter& parameter : model->parameters().all()) {
    if (parameter.role == ParameterRole::statistic) parameter.variable.set_requires_gradient(false);
    if (parameter.trainable())
      parameter.variable.bind_gradient(Tensor::empty(device->memory(), parameter.shape), leaf++);
  }
  BatchNormStatistics statistics(*model, *device);
  statistics.begin_step();
  statistics.begin_pass();
  Tape tape(*device, Tape::Mode::training);
  tape.observe_batch_norms(&statistics);
  const Tensor sum = Tensor::empty(device->memory(), {2}, DType::f64);
  device->kernels().run(calls::Clear{.data = sum.bytes(), .bytes = sum.size_bytes()});
  const Variable logits = model->forward(tape, batch.input, batch.selection);
  expect_close(HostCopy(*device, logits.value()).values(), fixture.logits(true), 1e-5, "logits");
  model->loss_of(tape, logits, batch.targets, sum);
  const std::vector<double> loss = device->download<double>(sum);
  EXPECT_NEAR(loss[0] / loss[1], values_of<float>(fixture.expected.tensors().at("loss")).front(), 2e-6);
  tape.backward();
  for (const Parameter& parameter : model->parameters().all()) {
    if (!parameter.trainable()) continue;
    const std::vector<float> expected = *fixture.values_as_stored(fixture.expected, "grad.", model->names(), parameter);
    double most = 0.0;
    for (const float value : expected) most = std::max(most, static_cast<double>(std::abs(value)));
    const HostCopy gradient(*device, parameter.variable.gradient());
    for (std::size_t i = 0; i < expected.size(); ++i)
      ASSERT_LE(std::abs(gradient.values()[i] / loss[1] - expected[i]), std::max(3e-5 * most, 1e-7))
          << parameter.name << " at " << i;
  }
  statistics.update(*solo);
  expect_statistics(*model, *device, fixture.expected, "buffer.", 1e-6);
}

TEST_P(LiveBatchNorm, FiveStepsMatchPyTorch) {
  TEMPER_REQUIRE_FIXTURE(GetParam());
  const ModelFixture fixture(GetParam());
  const auto device = make_test_device();
  const auto solo = make_solo_communicator();
  const auto model = fixture.load(*device);
  apply_freezing(*model, {});
  TrainingStepSettings settings;
  settings.clip_norm = 1.0;
  settings.optimizer.weight_decay = 0.01;
  settings.rate_factors.assign(model->parameters().all().size(), 1.0);
  settings.live_batch_norm = true;
  TrainingStep step(*model, *device, *solo, settings);
  for (std::int64_t number = 0; number < 5; ++number) {
    StepBatch batch;
    batch.grains = {{fixture.batch}};
    step.run(batch, number, 1e-3, {});
  }
  const SafetensorsFile after(fixture.folder / "after_steps.safetensors");
  for (const Parameter& parameter : model->parameters().all()) {
    if (!parameter.trainable()) continue;
    const auto loose = fixture.undetermined.find(model->names().forms_of(parameter).front().name);
    const double bound = loose == fixture.undetermined.end() ? 5e-5 : 3.0 * loose->second;
    const std::vector<float> expected = *fixture.values_as_stored(after, "", model->names(), parameter);
    const std::vector<float> gradient = *fixture.values_as_stored(fixture.expected, "grad.", model->names(), parameter);
    const HostCopy value(*device, parameter.variable.value());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      // Where a channel is dead to all rows, what a gradient has is rounding, by which Adam moves as far as by any.
      if (fixture.is_rounding(std::span(gradient).subspan(i, 1))) continue;
      ASSERT_LE(std::abs(value.values()[i] - expected[i]), bound) << parameter.name << " at " << i;
    }
  }
  expect_statistics(*model, *device, SafetensorsFile(fixture.folder / "buffers_after_steps.safetensors"), "", 5e-4);
}

/// All values of a model after two steps over grains of one image each.
std::vector<float> after_two_steps(const ModelFixture& fixture, Communicator& communicator, int grains,
                                   std::int64_t checkpoint_blocks) {
  const auto device = make_test_device();
  const auto model = fixture.load(*device);
  apply_freezing(*model, {});
  model->checkpoint_activations(checkpoint_blocks);
  TrainingStepSettings settings;
  settings.grains = grains;
  settings.rate_factors.assign(model->parameters().all().size(), 1.0);
  settings.live_batch_norm = true;
  TrainingStep step(*model, *device, communicator, settings);
  const TreeNode own = step.buckets().own_grains();
  for (std::int64_t number = 0; number < 2; ++number) {
    StepBatch batch;
    for (int grain = own.begin; grain < own.end; ++grain) {
      const std::size_t image = static_cast<std::size_t>(grain) % fixture.batch.examples.size();
      Batch one = fixture.part_of_batch(image, 1);
      one.classes = {fixture.batch.classes[image]};
      batch.grains.push_back({std::move(one)});
    }
    step.run(batch, number, 1e-3, {});
  }
  step.release_values();
  std::vector<float> all;
  for (const Parameter& parameter : model->parameters().all()) {
    const HostCopy value(*device, parameter.variable.value());
    all.insert(all.end(), value.values().begin(), value.values().end());
  }
  return all;
}

TEST_P(LiveBatchNorm, BitsDoNotDependOnRanksNorOnWhatIsRecomputed) {
  TEMPER_REQUIRE_FIXTURE(GetParam());
  const ModelFixture fixture(GetParam());
  const auto solo = make_solo_communicator();
  const std::vector<float> alone = after_two_steps(fixture, *solo, 4, 0);
  EXPECT_EQ(after_two_steps(fixture, world_communicator(), 4, 0), alone);
  EXPECT_EQ(after_two_steps(fixture, *solo, 4, 1), alone);
}

INSTANTIATE_TEST_SUITE_P(ResNets, LiveBatchNorm,
                         testing::Values("resnet-live-image", "shared/resnet-train-basic-image",
                                         "shared/resnet-train-bottleneck-image"),
                         testing_support::test_name);

}  // namespace
}  // namespace temper
