// Rows of the embedding table that no training text has are left alone until somebody asks for them, and come out as if
// they had taken part in every step.
#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "model/freezing.h"
#include "runtime/training_step.h"
#include "tensor/host_copy.h"
#include "tests/model_fixture.h"
#include "tests/shared_data.h"
#include "tests/test_device.h"
#include "tests/world.h"

namespace temper {
namespace {

using testing_support::ModelFixture;
using Weights = std::map<std::string, std::vector<float>>;

class IdleRows : public testing::Test {
 protected:
  static constexpr int kSteps = 6;

  /// Whether each id occurs in the fixture's texts.
  static std::vector<bool> in_use(const ModelFixture& fixture) {
    std::vector<bool> used(static_cast<std::size_t>(fixture.config.vocabulary_size));
    for (const std::int32_t id : fixture.batch.ids) used[static_cast<std::size_t>(id)] = true;
    return used;
  }

  Weights fine_tune(const ModelFixture& fixture, std::vector<bool> tokens_in_use, bool settles_often, DType activations,
                    const OptimizerSettings& optimizer = {}) {
    const auto device = make_test_device();
    const auto model = fixture.load(*device);
    apply_freezing(*model, {});
    TrainingStepSettings settings;
    settings.grains = 3;
    settings.clip_norm = 1.0;
    settings.activations = activations;
    settings.loss.task = fixture.request.task;
    settings.optimizer = optimizer;
    settings.rate_factors.assign(model->parameters().all().size(), 1.0);
    settings.tokens_in_use = std::move(tokens_in_use);
    TrainingStep step(*model, *device, world_, settings);
    has_idle_ = step.layout().has_idle();
    const TreeNode own = step.buckets().own_grains();
    for (std::int64_t number = 0; number < kSteps; ++number) {
      Step batch;
      for (int grain = own.begin; grain < own.end; ++grain) batch.grains.push_back({fixture.batch});
      step.run(batch, number, 1e-3 * static_cast<double>(number + 1), {});
      if (settles_often) step.settle();
    }
    step.settle();
    Weights weights;
    for (const Parameter& parameter : model->parameters().all()) {
      const HostCopy value(*device, parameter.variable.value());
      weights[parameter.name].assign(value.values().begin(), value.values().end());
    }
    step.release_values();
    return weights;
  }

  Communicator& world_ = world_communicator();
  bool has_idle_ = false;
};

TEST_F(IdleRows, EndUpAsIfTheyHadTakenPart) {
  TEMPER_REQUIRE_SHARED(folder, "fixtures/models/bert-classification");
  const ModelFixture fixture(folder);
  OptimizerSettings decaying;
  decaying.weight_decay = 0.1;
  for (const DType activations : {DType::f32, DType::bf16}) {
    if (activations == DType::bf16 && !make_test_device()->has_bf16()) continue;
    const Weights dense = fine_tune(fixture, {}, false, activations, decaying);
    EXPECT_FALSE(has_idle_);
    for (const bool settles_often : {false, true}) {
      const Weights sparse = fine_tune(fixture, in_use(fixture), settles_often, activations, decaying);
      EXPECT_TRUE(has_idle_);
      EXPECT_EQ(sparse, dense) << name_of(activations) << (settles_often ? ", settled often" : "");
    }
  }
}

TEST_F(IdleRows, AreThereOnlyWhereNothingElseReadsTheTable) {
  TEMPER_REQUIRE_SHARED(folder, "fixtures/models/bert-masked-lm");
  const ModelFixture fixture(folder);
  fine_tune(fixture, in_use(fixture), false, DType::f32);
  EXPECT_FALSE(has_idle_) << "the head multiplies with the whole table";
}

TEST_F(IdleRows, AreNotThereWhereMomentumTakesUpDecay) {
  TEMPER_REQUIRE_SHARED(folder, "fixtures/models/bert-classification");
  const ModelFixture fixture(folder);
  OptimizerSettings sgd;
  sgd.kind = OptimizerKind::sgd;
  sgd.weight_decay = 0.01;
  fine_tune(fixture, in_use(fixture), false, DType::f32, sgd);
  EXPECT_FALSE(has_idle_);
  sgd.weight_decay = 0.0;
  const Weights dense = fine_tune(fixture, {}, false, DType::f32, sgd);
  const Weights sparse = fine_tune(fixture, in_use(fixture), false, DType::f32, sgd);
  EXPECT_TRUE(has_idle_);
  EXPECT_EQ(sparse, dense);
}

}  // namespace
}  // namespace temper
