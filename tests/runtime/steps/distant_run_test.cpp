// Training, evaluation, checkpoints and export on a device whose memory is not the host's: the same bits as on
// the CPU, and no copy that takes one for the other. Runs alone and under mpirun.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <vector>

#include "base/mapped_file.h"
#include "model/freezing.h"
#include "runtime/checkpoints/saved_parameters.h"
#include "runtime/evaluation/evaluator.h"
#include "runtime/model_export.h"
#include "runtime/steps/training_step.h"
#include "tests/distant_device.h"
#include "tests/model_fixture.h"
#include "tests/runtime/shared_test_folder.h"
#include "tests/world.h"

namespace temper {
namespace {

using testing_support::DistantDevice;
using testing_support::ModelFixture;
using testing_support::rows_of;

/// A model on a device, and once it begins the step that trains it. Two grains a rank.
class DistantTraining {
 public:
  DistantTraining(const ModelFixture& fixture, Device& device, std::int64_t updates = 0)
      : fixture_(fixture), device_(device), model_(fixture.load(device)), updates_(updates) {
    apply_freezing(*model_, {});
  }

  void begin() {
    TrainingStepSettings settings;
    settings.grains = 2 * world_communicator().size();
    settings.clip_norm = 1.0;
    settings.seed = 3;
    settings.rate_factors.assign(model_->parameters().all().size(), 1.0);
    settings.updates.assign(settings.rate_factors.size(), updates_);
    settings.bucket_elements = ArenaLayout::kChunk;
    step_ = std::make_unique<TrainingStep>(*model_, device_, world_communicator(), settings);
  }
  StepOutcome run(std::int64_t number) {
    StepBatch batch;
    batch.grains = {{fixture_.batch}, {fixture_.batch}};
    return step_->run(batch, number, 1e-3, {});
  }
  void end() {
    step_->release_values();
    step_.reset();
  }
  [[nodiscard]] std::vector<std::vector<float>> parameters() const {
    std::vector<std::vector<float>> values;
    for (const Parameter& parameter : model_->parameters().all())
      values.push_back(device_.download<float>(parameter.variable.value()));
    return values;
  }
  [[nodiscard]] Model& model() { return *model_; }
  [[nodiscard]] TrainingStep& step() { return *step_; }

 private:
  const ModelFixture& fixture_;
  Device& device_;
  std::unique_ptr<Model> model_;
  std::int64_t updates_;
  std::unique_ptr<TrainingStep> step_;
};

class DistantRun : public testing_support::SharedFolderTest {
 protected:
  DistantDevice distant_;
  std::unique_ptr<Device> cpu_ = make_cpu_device();
};

TEST_F(DistantRun, TrainsToTheSameBits) {
  const ModelFixture fixture("bert-classification");
  DistantTraining near(fixture, *cpu_);
  DistantTraining far(fixture, distant_);
  for (const Parameter& parameter : far.model().parameters().all())
    EXPECT_TRUE(distant_.distant_memory().holds(parameter.variable.value().bytes(), 4)) << parameter.name;
  near.begin();
  far.begin();
  for (std::int64_t number = 0; number < 3; ++number) {
    const StepOutcome expected = near.run(number);
    const StepOutcome outcome = far.run(number);
    EXPECT_EQ(outcome.loss, expected.loss);
    EXPECT_EQ(outcome.gradient_norm, expected.gradient_norm);
    EXPECT_EQ(outcome.weight, expected.weight);
    EXPECT_EQ(outcome.tokens, expected.tokens);
    EXPECT_EQ(far.parameters(), near.parameters()) << "step " << number;
  }
  far.end();
  EXPECT_EQ(far.parameters(), near.parameters());
}

TEST_F(DistantRun, GoesOnFromItsCheckpoint) {
  const ModelFixture fixture("bert-classification");
  DistantTraining run(fixture, distant_);
  run.begin();
  for (std::int64_t number = 0; number < 2; ++number) run.run(number);
  TrainingState state;
  state.step = 2;
  state.grains = 2 * world_.size();
  for (const Parameter& parameter : run.model().parameters().all()) state.changed.emplace_back(parameter.name, 2);
  const std::filesystem::path file = folder_ / "checkpoint.h5";
  save_training(file, state, {"", "{}"}, run.model(), run.step(), distant_, world_);

  const Checkpoint checkpoint = Checkpoint::open(file, world_);
  DistantDevice other;
  for (Device* device : {static_cast<Device*>(&other), cpu_.get()}) {
    DistantTraining resumed(fixture, *device, 2);
    restore_parameters(checkpoint, resumed.model(), *device);
    EXPECT_EQ(resumed.parameters(), run.parameters());
    resumed.begin();
    restore_moments(checkpoint, resumed.model(), resumed.step(), *device);
    const auto moments = run.step().optimizer().state();
    const auto restored = resumed.step().optimizer().state();
    ASSERT_EQ(restored.size(), moments.size());
    for (std::size_t i = 0; i < moments.size(); ++i) {
      const auto count = static_cast<std::size_t>(moments[i].size);
      std::vector<float> expected(count);
      std::vector<float> actual(count);
      distant_.download(moments[i].values, expected.data(), count * sizeof(float));
      device->download(restored[i].values, actual.data(), count * sizeof(float));
      EXPECT_EQ(actual, expected);
    }
  }
  // The third step from the checkpoint is the third step of the run.
  DistantTraining resumed(fixture, other, 2);
  restore_parameters(checkpoint, resumed.model(), other);
  resumed.begin();
  restore_moments(checkpoint, resumed.model(), resumed.step(), other);
  run.run(2);
  resumed.run(2);
  EXPECT_EQ(resumed.parameters(), run.parameters());
}

TEST_F(DistantRun, ExportsTheSameFile) {
  if (world_.rank() != 0) return;
  const ModelFixture fixture("bert-classification");
  const auto labels = static_cast<std::size_t>(fixture.request.labels);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < labels; ++i) names.push_back("label " + std::to_string(i));
  for (Device* device : {static_cast<Device*>(&distant_), cpu_.get()}) {
    const auto model = fixture.load(*device);
    export_trained_model(*model, *device, *fixture.task, {fixture.folder, {}}, names, {}, {},
                         folder_ / (device == cpu_.get() ? "near" : "far"));
  }
  EXPECT_TRUE(read_text_file(folder_ / "far/model.safetensors") == read_text_file(folder_ / "near/model.safetensors"));
}

class DistantEvaluation : public DistantRun, public testing::WithParamInterface<std::string> {};

TEST_P(DistantEvaluation, MeasuresAndPredictsTheSame) {
  const ModelFixture fixture(GetParam());
  const TokenStore rows = rows_of(fixture.batch);
  EvaluationSettings settings;
  settings.task = fixture.task;
  settings.batch_size = 2;
  std::vector<Metrics> measured;
  std::vector<std::vector<std::vector<float>>> predicted;
  for (Device* device : {static_cast<Device*>(&distant_), cpu_.get()}) {
    const auto model = fixture.load(*device);
    const auto metrics = evaluate(*model, *device, world_, rows, settings);
    ASSERT_TRUE(metrics.has_value());
    measured.push_back(*metrics);
    auto& logits = predicted.emplace_back();
    predict(*model, *device, rows, DType::f32, 1, rows.rows(), 2, [&](std::int64_t row, std::span<const float> of_row) {
      EXPECT_EQ(row, 1 + static_cast<std::int64_t>(logits.size()));
      logits.emplace_back(of_row.begin(), of_row.end());
    });
  }
  EXPECT_EQ(measured[0].finite_values(), measured[1].finite_values());
  EXPECT_EQ(measured[0].confusion, measured[1].confusion);
  EXPECT_EQ(predicted[0].size(), static_cast<std::size_t>(rows.rows()) - 1);
  EXPECT_EQ(predicted[0], predicted[1]);

  // The loss is what PyTorch says of the whole batch.
  const double expected = testing_support::values_of<float>(fixture.expected.tensors().at("loss")).front();
  EXPECT_NEAR(measured[0].value("loss"), expected, 1e-5 * (1.0 + std::abs(expected)));
}

INSTANTIATE_TEST_SUITE_P(Tasks, DistantEvaluation, testing::ValuesIn(testing_support::own_fixtures()),
                         testing_support::test_name);

}  // namespace
}  // namespace temper
