// Adapters in bf16: as near to f32 as PEFT is in bf16 (bfloat16_reference/adapter_reference.json says how near that
// is); and in any precision a text's values do not depend on which others come with it, so neither does the loss of a
// row on how rows are packed.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "model/adapters/peft_folder.h"
#include "model/freezing.h"
#include "model/weights.h"
#include "runtime/steps/compute_copies.h"
#include "runtime/steps/training_step.h"
#include "tests/model_fixture.h"
#include "tests/places.h"
#include "tests/test_device.h"

namespace temper {
namespace {

using testing_support::ModelFixture;
using Values = std::vector<float>;

/// How many times as far from f32 as PEFT's the gradients may lie; bf16 has 8 bits, so what two right programs differ
/// by is as large as what each differs from f32 by.
constexpr double kTimesPeft = 2.0;
/// A loss may be another by this share of itself and one.
constexpr double kOfLoss = 0.01;

class BFloat16Adapter : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (!device_->has_bf16()) GTEST_SKIP() << "skipped: " << device_->name() << " has no bf16";
    fixture_.emplace(GetParam());
    std::ifstream file(testing_support::source_directory() / "tests/runtime/bfloat16_reference/adapter_reference.json");
    reference_ = nlohmann::json::parse(file).at(GetParam());
  }

  void load() {
    model_ = fixture_->load(*device_);
    lora_ = load_adapter(*model_, *device_, fixture_->folder / "adapter");
    apply_freezing(*model_, {});
  }

  /// All gradients of the loss as one vector, and the loss.
  std::pair<Values, double> gradients(DType activations) {
    load();
    ensure_compute_copies(*model_, *device_, activations);
    const DeviceBatch batch =
        to_device(fixture_->batch, model_->readout(), {.labelled = true, .trains_embeddings = true}, *device_);
    std::int64_t leaf = 0;
    for (const Parameter& parameter : model_->parameters().all())
      if (parameter.trainable())
        parameter.variable.bind_gradient(Tensor::empty(device_->memory(), parameter.shape), leaf++);
    Tape tape(*device_, Tape::Mode::training, {}, activations);
    const Tensor sum = Tensor::empty(device_->memory(), {2}, DType::f64);
    device_->kernels().run(calls::Clear{.data = sum.bytes(), .bytes = sum.size_bytes()});
    model_->loss(tape, batch.input, batch.selection, batch.targets, sum);
    const std::vector<double> loss = device_->download<double>(sum);
    tape.backward();
    Values all;
    for (const Parameter& parameter : model_->parameters().all()) {
      if (!parameter.trainable()) continue;
      for (const float value : device_->download_as_f32(parameter.variable.gradient()))
        all.push_back(static_cast<float>(value / loss[1]));
    }
    return {std::move(all), loss[0] / loss[1]};
  }

  std::unique_ptr<Device> device_ = make_test_device();
  std::optional<ModelFixture> fixture_;
  nlohmann::json reference_;
  std::unique_ptr<Model> model_;
  Lora lora_;
};

TEST_P(BFloat16Adapter, GradientsLieAsNearToF32AsThoseOfPeft) {
  const auto [exact, loss] = gradients(DType::f32);
  const auto [narrow, narrow_loss] = gradients(DType::bf16);
  ASSERT_EQ(exact.size(), narrow.size());
  double apart = 0.0;
  double norm = 0.0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    apart += std::pow(static_cast<double>(narrow[i]) - static_cast<double>(exact[i]), 2.0);
    norm += std::pow(static_cast<double>(exact[i]), 2.0);
  }
  EXPECT_GT(apart, 0.0) << "it was computed in f32";
  EXPECT_LE(std::sqrt(apart / norm), kTimesPeft * reference_.at("gradient_distance").get<double>());
  EXPECT_NEAR(loss, reference_.at("loss_in_f32").get<double>(), 1e-5 * (1.0 + std::abs(loss)));
  EXPECT_NEAR(narrow_loss, loss, kOfLoss * (1.0 + std::abs(loss)));
}

TEST_P(BFloat16Adapter, FiveStepsFollowThoseInF32AndThoseOfPeft) {
  const auto losses = [&](DType activations) {
    load();
    const auto solo = make_solo_communicator();
    TrainingStepSettings settings;
    settings.clip_norm = 1.0;
    settings.optimizer.weight_decay = 0.01;
    settings.rate_factors.assign(model_->parameters().all().size(), 1.0);
    settings.activations = activations;
    TrainingStep step(*model_, *device_, *solo, settings);
    std::vector<double> found;
    for (std::int64_t number = 0; number < 5; ++number) {
      StepBatch batch;
      batch.grains = {{fixture_->batch}};
      found.push_back(step.run(batch, number, 1e-3, {}).loss);
    }
    return found;
  };
  const std::vector<double> exact = losses(DType::f32);
  const std::vector<double> narrow = losses(DType::bf16);
  for (std::size_t i = 0; i < exact.size(); ++i) {
    const double allowed = kOfLoss * (1.0 + std::abs(exact[i]));
    EXPECT_NEAR(narrow[i], exact[i], allowed) << "step " << i;
    EXPECT_NEAR(narrow[i], reference_.at("losses")[i].get<double>(), 2.0 * allowed) << "step " << i;
  }
}

/// Packs are several texts in one row of a batch: what is computed of a text, and so its loss, has the same bits alone
/// and packed with all others.
TEST_P(BFloat16Adapter, ATextsLossDoesNotDependOnWhatItIsPackedWith) {
  for (const DType activations : {DType::f32, DType::bf16}) {
    load();
    ensure_compute_copies(*model_, *device_, activations);
    const auto logits_of = [&](const Batch& batch) {
      Tape tape(*device_, Tape::Mode::evaluation, {}, activations);
      const DeviceBatch all = to_device(batch, model_->readout(), {.labelled = false}, *device_);
      return device_->download_as_f32(model_->forward(tape, all.input, all.selection).value());
    };
    const Values together = logits_of(fixture_->batch);
    Values one_by_one;
    const Batch& packed = fixture_->batch;
    for (std::size_t s = 0; s < packed.examples.size(); ++s) {
      const auto part = [&](const std::vector<std::int32_t>& of_tokens) {
        return std::vector<std::int32_t>(of_tokens.begin() + packed.sequence_starts[s],
                                         of_tokens.begin() + packed.sequence_starts[s + 1]);
      };
      Batch alone;
      alone.content = Tokens{part(packed.text().ids), part(packed.text().types)};
      alone.positions = part(packed.positions);
      alone.examples = {packed.examples[s]};
      alone.sequence_starts = {0, static_cast<std::int32_t>(alone.positions.size())};
      const Values logits = logits_of(alone);
      one_by_one.insert(one_by_one.end(), logits.begin(), logits.end());
    }
    EXPECT_EQ(one_by_one, together) << (activations == DType::f32 ? "f32" : "bf16");
  }
}

INSTANTIATE_TEST_SUITE_P(Adapters, BFloat16Adapter, testing::ValuesIn(testing_support::own_adapter_fixtures()),
                         testing_support::test_name);

}  // namespace
}  // namespace temper
