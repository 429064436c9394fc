// The loss of a step is a mean over tokens: not over rows, micro-batches, grains or ranks, which others have averaged
// over, each with as much weight as the next, however few of its tokens count.
#include <gtest/gtest.h>

#include <cmath>

#include "model/adapters/peft_folder.h"
#include "model/freezing.h"
#include "runtime/steps/training_step.h"
#include "tests/model_fixture.h"
#include "tests/test_device.h"

namespace temper {
namespace {

using testing_support::ModelFixture;

class TokenMean : public testing::Test {
 protected:
  /// Loss and gradient norm of a step on these grains of micro-batches.
  StepOutcome step_on(std::vector<std::vector<Batch>> grains) {
    const auto model = fixture_.load(*device_);
    (void)load_adapter(*model, *device_, fixture_.folder / "adapter");
    apply_freezing(*model, {});
    const auto solo = make_solo_communicator();
    TrainingStepSettings settings;
    settings.grains = static_cast<int>(grains.size());
    settings.rate_factors.assign(model->parameters().all().size(), 1.0);
    TrainingStep step(*model, *device_, *solo, settings);
    StepBatch batch;
    batch.grains = std::move(grains);
    return step.run(batch, 0, 1e-3, {});
  }
  [[nodiscard]] Batch alone(std::size_t s) const {
    const Batch& all = fixture_.batch;
    const auto part = [&](const std::vector<std::int32_t>& of_tokens) {
      return std::vector<std::int32_t>(of_tokens.begin() + all.sequence_starts[s],
                                       of_tokens.begin() + all.sequence_starts[s + 1]);
    };
    Batch one;
    one.content = Tokens{part(all.text().ids), part(all.text().types)};
    one.positions = part(all.positions);
    one.examples = {all.examples[s]};
    one.sequence_starts = {0, static_cast<std::int32_t>(one.positions.size())};
    one.classes = part(all.classes);
    return one;
  }

  std::unique_ptr<Device> device_ = make_test_device();
  ModelFixture fixture_{"gpt2-adapter"};
};

TEST_F(TokenMean, DoesNotDependOnHowTokensAreSpreadOverMicroBatchesAndGrains) {
  const std::size_t rows = fixture_.batch.examples.size();
  ASSERT_GE(rows, 3U);
  std::vector<Batch> each;
  double mean_of_means = 0.0;
  for (std::size_t s = 0; s < rows; ++s) {
    each.push_back(alone(s));
    mean_of_means += step_on({{each.back()}}).loss / static_cast<double>(rows);
  }
  const StepOutcome together = step_on({{fixture_.batch}});
  EXPECT_GT(std::abs(mean_of_means - together.loss), 1e-3) << "the rows are too much alike for this test";
  const StepOutcome accumulated = step_on({each});
  EXPECT_NEAR(accumulated.loss, together.loss, 1e-6);
  EXPECT_NEAR(accumulated.gradient_norm, together.gradient_norm, 1e-5 * together.gradient_norm);
  std::vector<std::vector<Batch>> grains;
  for (const Batch& one : each) grains.push_back({one});
  const StepOutcome spread = step_on(grains);
  EXPECT_NEAR(spread.loss, together.loss, 1e-6);
  EXPECT_NEAR(spread.gradient_norm, together.gradient_norm, 1e-5 * together.gradient_norm);
}

}  // namespace
}  // namespace temper
