// A step or an evaluation that begins above the frozen part gives what the whole model gives. Runs alone and under
// mpirun.
#include "runtime/frozen/frozen_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "runtime/evaluation/evaluator.h"
#include "runtime/steps/training_step.h"
#include "tests/distant_device.h"
#include "tests/hidden_rows.h"
#include "tests/model_fixture.h"
#include "tests/test_device.h"
#include "tests/world.h"

namespace temper {
namespace {

using testing_support::DistantDevice;
using testing_support::ModelFixture;
using testing_support::rows_of;

/// Trains all but so many stages from below.
void freeze_lowest(const Model& model, std::int64_t stages) {
  for (const Parameter& parameter : model.parameters().all())
    parameter.variable.set_requires_gradient(parameter.stage >= stages);
}

std::unique_ptr<FrozenCache> filled_cache(const TokenStore& data, Model& model, std::int64_t stages, Device& device,
                                          Communicator& world, DType activations = DType::f32) {
  auto cache = std::make_unique<FrozenCache>(lay_out_frozen(data, model, stages, activations));
  cache->keep_in(make_memory_store(cache->layout(), world));
  EXPECT_TRUE(fill(*cache, model, device, world, data, {}));
  return cache;
}

class EveryFixture : public testing::TestWithParam<std::string> {};

TEST_P(EveryFixture, MayBeCutAboveAnyStage) {
  const ModelFixture fixture(GetParam());
  const auto device = make_test_device();
  const auto model = fixture.load(*device);
  const DeviceBatch batch = to_device(fixture.batch, model->readout(), {}, *device);
  Tape tape(*device, Tape::Mode::evaluation);
  const auto expected = device->download<float>(model->forward(tape, batch.input, batch.selection).value());
  ASSERT_EQ(model->stages(), fixture.config.layers + 1);
  ASSERT_EQ(model->width(), fixture.config.width);
  for (std::int64_t stages = 1; stages <= model->stages(); ++stages) {
    const Variable hidden = model->hidden_state(tape, batch.input, batch.selection, stages);
    const bool whole = stages < model->stages() || model->readout().tokens == ReadTokens::mean;
    EXPECT_EQ(hidden.value().rows(), whole ? batch.input.tokens() : batch.selection.rows.size());
    const Variable logits = model->forward(tape, batch.input, batch.selection, {stages, hidden});
    EXPECT_EQ(device->download<float>(logits.value()), expected) << stages;
  }
}

INSTANTIATE_TEST_SUITE_P(Encoders, EveryFixture, testing::ValuesIn(testing_support::own_fixtures()),
                         testing_support::test_name);

class FrozenCacheTest : public testing::TestWithParam<std::string> {
 protected:
  Communicator& world_ = world_communicator();
  std::unique_ptr<Device> device_ = make_test_device();
};

TEST_P(FrozenCacheTest, HoldsWhatEachBlockGives) {
  const ModelFixture fixture(GetParam());
  const auto model = fixture.load(*device_);
  const TokenStore data = rows_of(fixture.batch, 200);
  for (std::int64_t stages = 1; stages <= model->stages(); ++stages) {
    const auto cache = filled_cache(data, *model, stages, *device_, world_);
    const FrozenLayout& layout = cache->layout();
    ASSERT_GE(layout.blocks(), 3);
    for (const std::int64_t block : {std::int64_t{0}, layout.blocks() / 2, layout.blocks() - 1}) {
      const std::int64_t first = layout.block_starts[static_cast<std::size_t>(block)];
      std::vector<std::int64_t> rows(
          static_cast<std::size_t>(layout.block_starts[static_cast<std::size_t>(block) + 1] - first));
      std::iota(rows.begin(), rows.end(), first);
      const Batch host = data.read(rows, 0);
      const DeviceBatch batch = to_device(host, model->readout(), {}, *device_);
      Tape tape(*device_, Tape::Mode::evaluation);
      const auto expected =
          device_->download<float>(model->hidden_state(tape, batch.input, batch.selection, stages).value());
      const DeviceBatch from_cache = to_device(host, model->readout(), {.cache = cache.get()}, *device_);
      EXPECT_EQ(device_->download<float>(from_cache.hidden.value()), expected);
      EXPECT_FALSE(from_cache.input.indices.ids.defined());
      EXPECT_EQ(from_cache.input.tokens(), batch.input.tokens());
    }
  }
}

TEST_P(FrozenCacheTest, GivesExamplesInTheOrderOfTheBatch) {
  const ModelFixture fixture(GetParam());
  const auto model = fixture.load(*device_);
  const TokenStore data = rows_of(fixture.batch, 3);
  const auto cache = filled_cache(data, *model, 2, *device_, world_);
  std::vector<std::byte> one_by_one;
  const std::vector<std::uint32_t> examples{4, 0, 2, 2};
  for (const std::uint32_t& example : examples) {
    const std::vector<std::byte> rows = hidden_rows(*cache, std::span(&example, 1));
    EXPECT_EQ(rows.size(), static_cast<std::size_t>(data.length(example) * cache->layout().row_bytes()));
    one_by_one.insert(one_by_one.end(), rows.begin(), rows.end());
  }
  EXPECT_EQ(hidden_rows(*cache, examples), one_by_one);
}

/// Trains on the fixture's batch, which is one block, so that cached and computed rows have the same shapes.
class FrozenTraining {
 public:
  FrozenTraining(const ModelFixture& fixture, std::int64_t stages, Device& device, Communicator& world,
                 DType activations = DType::f32)
      : fixture_(fixture), device_(device), model_(fixture.load(device)) {
    freeze_lowest(*model_, stages);
    TrainingStepSettings settings;
    settings.grains = 2 * world.size();
    settings.clip_norm = 1.0;
    settings.seed = 3;
    settings.activations = activations;
    settings.rate_factors.assign(model_->parameters().all().size(), 1.0);
    settings.bucket_elements = ArenaLayout::kChunk;
    step_ = std::make_unique<TrainingStep>(*model_, device, world, settings);
  }
  std::vector<std::vector<float>> after_three_steps() {
    for (std::int64_t number = 0; number < 3; ++number) {
      StepBatch batch;
      batch.grains = {{fixture_.batch}, {fixture_.batch}};
      step_->run(batch, number, 1e-3, {});
    }
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
  std::unique_ptr<TrainingStep> step_;
};

TEST_P(FrozenCacheTest, TrainsToTheSameBits) {
  ModelFixture fixture(GetParam());
  fixture.dropout = 0.1;
  const TokenStore data = rows_of(fixture.batch);
  for (std::int64_t stages = 2; stages <= fixture.config.layers + 1; ++stages) {
    FrozenTraining computed(fixture, stages, *device_, world_);
    const auto expected = computed.after_three_steps();
    FrozenTraining cached(fixture, stages, *device_, world_);
    // Where layers share their weights, more is frozen.
    const std::int64_t frozen = cached.model().frozen_stages();
    EXPECT_GE(frozen, stages);
    const auto cache = filled_cache(data, cached.model(), frozen, *device_, world_);
    cached.step().read_hidden_from(cache.get());
    EXPECT_EQ(cached.after_three_steps(), expected) << stages;

    // On a device of its own memory, the rows are brought there.
    DistantDevice distant;
    FrozenTraining far(fixture, stages, distant, world_);
    const auto far_cache = filled_cache(data, far.model(), frozen, distant, world_);
    far.step().read_hidden_from(far_cache.get());
    const auto far_values = far.after_three_steps();
    if (device_->shares_host_memory()) {
      EXPECT_EQ(far_values, expected) << stages;
    }
  }
}

TEST_P(FrozenCacheTest, TrainsToTheSameBitsInBf16) {
  if (!device_->has_bf16()) GTEST_SKIP() << "skipped: the device has no bf16";
  const ModelFixture fixture(GetParam());
  const TokenStore data = rows_of(fixture.batch);
  for (std::int64_t stages = 2; stages <= fixture.config.layers + 1; ++stages) {
    FrozenTraining computed(fixture, stages, *device_, world_, DType::bf16);
    const auto expected = computed.after_three_steps();
    FrozenTraining cached(fixture, stages, *device_, world_, DType::bf16);
    const std::int64_t frozen = cached.model().frozen_stages();
    const auto cache = filled_cache(data, cached.model(), frozen, *device_, world_, DType::bf16);
    cached.step().read_hidden_from(cache.get());
    EXPECT_EQ(cached.after_three_steps(), expected) << stages;
  }
}

TEST_P(FrozenCacheTest, MeasuresTheSame) {
  const ModelFixture fixture(GetParam());
  const auto model = fixture.load(*device_);
  const TokenStore data = rows_of(fixture.batch, 100);
  EvaluationSettings settings;
  settings.task = fixture.task;
  settings.batch_size = 7;
  const auto expected = evaluate(*model, *device_, world_, data, settings);
  ASSERT_TRUE(expected.has_value());
  for (std::int64_t stages = 1; stages <= model->stages(); ++stages) {
    const auto cache = filled_cache(data, *model, stages, *device_, world_);
    settings.cache = cache.get();
    const auto measured = evaluate(*model, *device_, world_, data, settings);
    ASSERT_TRUE(measured.has_value());
    const auto known = expected->finite_values();
    const auto found = measured->finite_values();
    ASSERT_EQ(found.size(), known.size());
    for (std::size_t i = 0; i < known.size(); ++i)
      EXPECT_NEAR(found[i].second, known[i].second, 1e-5) << known[i].first;
  }
}

INSTANTIATE_TEST_SUITE_P(Tasks, FrozenCacheTest, testing::ValuesIn(testing_support::own_fixtures()),
                         testing_support::test_name);

class FrozenDropout : public testing::Test {
 protected:
  /// The loss of one step that trains what stands above `stages`.
  double loss(const ModelFixture& fixture, std::int64_t stages, bool frozen_dropout) {
    const auto model = fixture.load(*device_);
    freeze_lowest(*model, stages);
    TrainingStepSettings settings;
    settings.rate_factors.assign(model->parameters().all().size(), 1.0);
    settings.frozen_dropout = frozen_dropout;
    const auto solo = make_solo_communicator();
    TrainingStep step(*model, *device_, *solo, settings);
    StepBatch batch;
    batch.grains = {{fixture.batch}};
    return step.run(batch, 0, 1e-3, {}).loss;
  }
  std::unique_ptr<Device> device_ = make_test_device();
};

TEST_F(FrozenDropout, IsOffUnlessItIsAskedFor) {
  ModelFixture fixture("bert-frozen");
  fixture.set_key("classifier_dropout", "0.0");
  const std::int64_t all = fixture.config.layers + 1;
  const double without = loss(fixture, all, false);
  EXPECT_EQ(loss(fixture, all, true), without);
  fixture.set_key("hidden_dropout_prob", "0.5");
  EXPECT_EQ(loss(fixture, all, false), without);
  EXPECT_NE(loss(fixture, all, true), without);
  EXPECT_NE(loss(fixture, all - 1, false), without) << "the layer that is trained keeps its dropout";
}

TEST(FillingACache, EndsWhereAnyRankIsAskedToStop) {
  const ModelFixture fixture("bert-frozen");
  const auto device = make_test_device();
  Communicator& world = world_communicator();
  const auto model = fixture.load(*device);
  const TokenStore data = rows_of(fixture.batch, 200);
  FrozenCache cache(lay_out_frozen(data, *model, 2, DType::f32));
  cache.keep_in(make_memory_store(cache.layout(), world));
  FillSettings settings;
  settings.stop_requested = [&] { return world.rank() == world.size() - 1; };
  EXPECT_FALSE(fill(cache, *model, *device, world, data, settings));
}

TEST(FillingACache, TellsHowFarItIs) {
  const ModelFixture fixture("bert-frozen");
  const auto device = make_test_device();
  Communicator& world = world_communicator();
  const auto model = fixture.load(*device);
  const TokenStore data = rows_of(fixture.batch, 200 * world.size());
  FrozenCache cache(lay_out_frozen(data, *model, 2, DType::f32));
  cache.keep_in(make_memory_store(cache.layout(), world));
  std::vector<std::int64_t> told;
  FillSettings settings;
  settings.progress = [&](std::int64_t done) { told.push_back(done); };
  ASSERT_TRUE(fill(cache, *model, *device, world, data, settings));
  ASSERT_GT(told.size(), 1U);
  EXPECT_EQ(told.front(), 0);
  EXPECT_TRUE(std::is_sorted(told.begin(), told.end()));
  EXPECT_LT(told.back(), data.rows());
}

}  // namespace
}  // namespace temper
