// Whoever runs a model in a phase, or reads its values, does so where a placement of parameters knows of it: one that
// leaves NaN in place of every stage that is not acquired changes no figure of training, evaluation, prediction and
// caches.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <set>
#include <span>
#include <utility>
#include <vector>

#include "runtime/evaluation/evaluator.h"
#include "runtime/frozen/frozen_cache.h"
#include "runtime/steps/finite_weights.h"
#include "runtime/steps/placement.h"
#include "runtime/steps/training_step.h"
#include "tests/hidden_rows.h"
#include "tests/model_fixture.h"

namespace temper {
namespace {

using testing_support::ModelFixture;
using testing_support::rows_of;

constexpr std::int64_t kFrozenStages = 2;

/// Keeps the values of its stages elsewhere, and NaN in their place while they are released.
class HiddenPlacement final : public Placement {
 public:
  HiddenPlacement(const Model& model, Device& device, std::int64_t stages) : device_(device) {
    held_.resize(static_cast<std::size_t>(model.stages()) + 1);
    for (const Parameter& parameter : model.parameters().all())
      if (parameter.stage < stages)
        held_[static_cast<std::size_t>(parameter.stage)].push_back(
            {parameter.variable.value(), device.download<float>(parameter.variable.value())});
    for (std::int64_t stage = 0; stage < stages; ++stage) hide(stage);
  }
  ~HiddenPlacement() override {
    for (const auto& of_stage : held_)
      for (const Held& held : of_stage) write(held, held.values);
  }
  [[nodiscard]] std::string_view name() const override { return "hidden"; }
  void gather(std::int64_t stage) override { EXPECT_TRUE(gathered_.insert(stage).second) << "twice: " << stage; }
  void acquire(std::int64_t stage) override {
    EXPECT_TRUE(gathered_.contains(stage)) << stage;
    for (const Held& held : held_[static_cast<std::size_t>(stage)]) write(held, held.values);
    ++acquired_;
  }
  void release(std::int64_t stage) override {
    EXPECT_EQ(gathered_.erase(stage), 1U) << stage;
    hide(stage);
  }
  /// How often, since the last call.
  [[nodiscard]] int taken() { return std::exchange(acquired_, 0); }

 private:
  struct Held {
    Tensor place;
    std::vector<float> values;
  };

  void write(const Held& held, const std::vector<float>& values) const {
    device_.upload(values.data(), held.place.bytes(), values.size() * sizeof(float));
  }
  void hide(std::int64_t stage) const {
    for (const Held& held : held_[static_cast<std::size_t>(stage)])
      write(held, std::vector<float>(held.values.size(), std::numeric_limits<float>::quiet_NaN()));
  }

  Device& device_;
  std::vector<std::vector<Held>> held_;
  std::set<std::int64_t> gathered_;
  int acquired_ = 0;
};

/// What is computed in a phase.
struct Figures {
  std::vector<double> losses;
  std::vector<std::byte> hidden;
  std::string content_key;
  std::string not_finite;
  Metrics metrics;
  std::vector<float> outputs;
};

class StageAccess : public testing::TestWithParam<std::string> {
 protected:
  /// In memory of its own, for a mapped file cannot be written to.
  std::unique_ptr<Model> load(const ModelFixture& fixture) {
    std::unique_ptr<Model> model = fixture.load(*device_);
    for (const Parameter& parameter : model->parameters().all()) {
      const std::vector<float> values = device_->download<float>(parameter.variable.value());
      parameter.variable.set_value(device_->upload(std::span<const float>(values), parameter.shape));
      parameter.variable.set_requires_gradient(parameter.stage >= kFrozenStages);
    }
    return model;
  }

  Figures run(const ModelFixture& fixture, bool hides, std::int64_t recomputed) {
    const std::unique_ptr<Model> model = load(fixture);
    model->checkpoint_activations(recomputed);
    const TokenStore rows = rows_of(fixture.batch, 5);
    TrainingStepSettings settings;
    settings.rate_factors.assign(model->parameters().all().size(), 1.0);
    TrainingStep step(*model, *device_, *solo_, settings);
    // `all`: in training, the optimizer reads and writes what is trained beside the passes.
    const auto observed = [&](bool all, const auto& use) {
      if (!hides) return use();
      const std::int64_t stages = all ? model->stages() + 1 : kFrozenStages;
      HiddenPlacement placement(*model, *device_, stages);
      std::vector<std::vector<Placement*>> placements(static_cast<std::size_t>(model->stages()) + 1);
      for (std::int64_t stage = 0; stage < stages; ++stage)
        placements[static_cast<std::size_t>(stage)].push_back(&placement);
      GatherAhead ahead(placements, model->frozen_stages());
      model->observe_stages(&ahead);
      use();
      EXPECT_GT(placement.taken(), 0);
      model->observe_stages(nullptr);
    };
    Figures figures;
    observed(false, [&] {
      for (std::int64_t number = 0; number < 3; ++number) {
        StepBatch batch;
        batch.grains = {{fixture.batch}};
        figures.losses.push_back(step.run(batch, number, 1e-3, {}).loss);
      }
    });
    observed(true, [&] {
      FrozenCache cache(lay_out_frozen(rows, *model, kFrozenStages, DType::f32));
      cache.keep_in(make_memory_store(cache.layout(), *solo_));
      EXPECT_TRUE(fill(cache, *model, *device_, *solo_, rows, {}));
      const std::vector<std::uint32_t> examples{2, 0};
      figures.hidden = hidden_rows(cache, examples);
    });
    observed(true, [&] {
      const FrozenLayout layout = lay_out_frozen(rows, *model, kFrozenStages, DType::f32);
      figures.content_key = frozen_content_key(layout, rows, *model, *device_);
    });
    observed(true, [&] { figures.not_finite = not_finite_weights(*model, *device_, "the model"); });
    observed(true, [&] {
      EvaluationSettings measuring;
      measuring.task = fixture.task;
      measuring.batch_size = 3;
      for (int time = 0; time < 2; ++time)
        figures.metrics = evaluate(*model, *device_, *solo_, rows, measuring).value();
    });
    observed(true, [&] {
      predict(*model, *device_, rows, DType::f32, 0, rows.rows(), 2,
              [&](std::int64_t /*row*/, std::span<const float> outputs) {
                figures.outputs.insert(figures.outputs.end(), outputs.begin(), outputs.end());
              });
    });
    return figures;
  }

  std::unique_ptr<Device> device_ = make_cpu_device();
  std::unique_ptr<Communicator> solo_ = make_solo_communicator();
};

TEST_P(StageAccess, NobodyReadsWhatIsNotThere) {
  const ModelFixture fixture(GetParam());
  for (const std::int64_t recomputed : {0, 1}) {
    const Figures expected = run(fixture, false, recomputed);
    const Figures found = run(fixture, true, recomputed);
    for (const double loss : expected.losses) EXPECT_TRUE(std::isfinite(loss));
    EXPECT_EQ(found.losses, expected.losses);
    EXPECT_EQ(found.hidden, expected.hidden);
    EXPECT_EQ(found.content_key, expected.content_key);
    EXPECT_EQ(found.not_finite, "");
    EXPECT_EQ(found.metrics.finite_values(), expected.metrics.finite_values());
    EXPECT_EQ(found.outputs, expected.outputs);
  }
}

// No stage of these reads what another's counts for.
INSTANTIATE_TEST_SUITE_P(Models, StageAccess,
                         testing::Values("bert-classification", "roberta-multilabel", "electra-tokens",
                                         "gpt2-classification", "modernbert-tokens", "gpt2-untied-causal"),
                         testing_support::test_name);

}  // namespace
}  // namespace temper
