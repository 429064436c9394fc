// Direct preference optimisation against PyTorch (tests/fixtures/make_preferences.py): losses, gradients, losses of
// five steps, and what an evaluation makes of the same pairs.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "data/paired_rows.h"
#include "model/adapters/peft_folder.h"
#include "model/freezing.h"
#include "runtime/evaluation/evaluator.h"
#include "runtime/evaluation/reference_probabilities.h"
#include "runtime/steps/device_batch.h"
#include "runtime/steps/training_step.h"
#include "tests/model_fixture.h"
#include "tests/test_device.h"

namespace temper {
namespace {

using Json = nlohmann::json;
using testing_support::ModelFixture;

PreferenceTerms terms_of(const Json& json, double beta) {
  return {json.at("loss") == "ipo" ? PreferenceKind::ipo : PreferenceKind::sigmoid, beta,
          json.value("label_smoothing", 0.0), json.value("length_normalized", false)};
}

class PreferenceParity : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    fixture_.emplace(GetParam());
    fixture_->request.loss.kind = LossKind::preference;
    std::ifstream file(fixture_->folder / "preference.json");
    facts_ = Json::parse(file);
    TokenRows rows;
    for (const Json& pair : facts_.at("pairs"))
      for (const Json& sequence : pair) {
        const auto ids = sequence.at("ids").get<std::vector<std::int32_t>>();
        const auto prompt = sequence.at("prompt").get<std::size_t>();
        rows.ids.insert(rows.ids.end(), ids.begin(), ids.end());
        rows.types.resize(rows.ids.size());
        for (std::size_t i = 1; i <= ids.size(); ++i)
          rows.classes.push_back(i < prompt || i == ids.size() ? kUnlabelled : ids[i]);
        rows.starts.push_back(rows.tokens());
      }
    pairs_.emplace(TokenStore(std::move(rows)));
    pairs_->compare_with(in_order("references"));
  }

  [[nodiscard]] std::vector<double> in_order(const char* name) const {
    std::vector<double> values;
    for (const Json& pair : facts_.at(name))
      for (const Json& value : pair) values.push_back(value.get<double>());
    return values;
  }
  [[nodiscard]] Batch batch() const {
    std::vector<std::int64_t> all;
    for (std::int64_t pair = 0; pair < pairs_->rows(); ++pair) all.push_back(pair);
    return pairs_->read(all, 0);
  }
  [[nodiscard]] bool has_adapter() const { return std::filesystem::exists(fixture_->folder / "adapter"); }

  /// The model that is trained, by this loss.
  void load(const PreferenceTerms& terms) {
    fixture_->request.loss.preference = terms;
    model_ = fixture_->load(*device_);
    if (has_adapter()) load_adapter(*model_, *device_, fixture_->folder / "adapter");
    apply_freezing(*model_, {});
  }
  [[nodiscard]] double beta() const { return facts_.at("beta"); }

  std::unique_ptr<Device> device_ = make_test_device();
  std::unique_ptr<Communicator> solo_ = make_solo_communicator();
  std::optional<ModelFixture> fixture_;
  Json facts_;
  std::optional<PairedRows> pairs_;
  std::unique_ptr<Model> model_;
};

TEST_P(PreferenceParity, LossesAndGradientsMatchPytorch) {
  for (const Json& each : facts_.at("losses")) {
    SCOPED_TRACE(each.dump().substr(0, 120));
    load(terms_of(each, beta()));
    const DeviceBatch batch =
        to_device(this->batch(), model_->readout(), {.labelled = true, .trains_embeddings = true}, *device_);
    std::int64_t leaf = 0;
    for (const Parameter& parameter : model_->parameters().all())
      if (parameter.trainable())
        parameter.variable.bind_gradient(Tensor::empty(device_->memory(), parameter.shape), leaf++);
    Tape tape(*device_, Tape::Mode::training);
    const Tensor sum = device_->zeros({4}, DType::f64);
    model_->loss(tape, batch.input, batch.selection, batch.targets, sum, {.stages = model_->frozen_stages()});
    tape.backward([](std::int64_t) {});
    const std::vector<double> sums = device_->download<double>(sum);
    EXPECT_EQ(sums[1], static_cast<double>(pairs_->rows()));
    const double value = each.at("value");
    EXPECT_NEAR(sums[0] / sums[1], value, 1e-5 * std::max(1.0, value));
    double squares = 0.0;
    std::size_t named = 0;
    for (const Parameter& parameter : model_->parameters().all()) {
      if (!parameter.trainable()) continue;
      double of_one = 0.0;
      for (const float gradient : device_->download_as_f32(parameter.variable.gradient()))
        of_one += std::pow(static_cast<double>(gradient) / sums[1], 2);
      squares += of_one;
      if (!each.at("gradient_norms").contains(parameter.name)) continue;
      const double norm = each.at("gradient_norms").at(parameter.name);
      EXPECT_NEAR(std::sqrt(of_one), norm, 1e-4 * norm + 1e-6) << parameter.name;
      ++named;
    }
    EXPECT_TRUE(named > 0 || has_adapter()) << "PEFT has names of its own; there the norm of all tells";
    double expected = 0.0;
    for (const auto& [name, norm] : each.at("gradient_norms").items()) expected += std::pow(norm.get<double>(), 2);
    EXPECT_NEAR(std::sqrt(squares), std::sqrt(expected), 1e-4 * std::sqrt(expected));
  }
}

TEST_P(PreferenceParity, ReferenceAndFiveStepsMatchPytorch) {
  const Json& terms = facts_.at("losses").front();
  // What is compared with is the model without its adapter.
  const std::unique_ptr<Model> base = fixture_->load(*device_);
  std::vector<PairedRows*> all{&*pairs_};
  compare_with_model(all, *base, *device_, *solo_, {.say = [](const std::string&) {}});
  const std::vector<double> start = in_order("start");
  const Batch pairs = batch();
  ASSERT_EQ(pairs.references.size(), start.size());
  for (std::size_t i = 0; i < start.size(); ++i) EXPECT_NEAR(pairs.references[i], start[i], 1e-5) << i;

  load(terms_of(terms, beta()));
  TrainingStepSettings settings;
  settings.clip_norm = 1.0;
  settings.optimizer.weight_decay = 0.01;
  settings.measures = {"accuracy", "margin"};
  settings.rate_factors.assign(model_->parameters().all().size(), 1.0);
  TrainingStep step(*model_, *device_, *solo_, settings);
  const Json& steps = facts_.at("steps");
  for (std::size_t number = 0; number < steps.at("losses").size(); ++number) {
    StepBatch taken;
    taken.grains = {{pairs}};
    const StepOutcome outcome = step.run(taken, static_cast<std::int64_t>(number), 1e-3, {});
    EXPECT_NEAR(outcome.loss, steps["losses"][number].get<double>(), 3e-5) << number;
    const double norm = steps["gradient_norms"][number];
    EXPECT_NEAR(outcome.gradient_norm, norm, 1e-3 * norm) << number;
    ASSERT_EQ(outcome.measures.size(), 2U);
    if (number > 0 || has_adapter()) continue;
    // A model that is its own reference has the same bits in training as in evaluation: no answer is ahead.
    EXPECT_DOUBLE_EQ(outcome.loss, std::log(2.0));
    EXPECT_EQ(outcome.measures[0].second, 0.0);
    EXPECT_EQ(outcome.measures[1].second, 0.0);
  }
}

TEST_P(PreferenceParity, EvaluationMeasuresTheSamePairs) {
  for (const Json& each : facts_.at("losses")) {
    if (each.contains("label_smoothing")) continue;  // which is a matter of training
    load(terms_of(each, beta()));
    EvaluationSettings settings;
    settings.task = &task_named("dpo");
    settings.batch_size = 2;
    const std::optional<Metrics> metrics = evaluate(*model_, *device_, *solo_, *pairs_, settings);
    ASSERT_TRUE(metrics.has_value());
    const double value = each.at("value");
    EXPECT_NEAR(metrics->value("loss"), value, 1e-5 * std::max(1.0, value));
    EXPECT_NEAR(metrics->value("margin"), metrics->value("chosen_reward") - metrics->value("rejected_reward"), 1e-9);
    if (has_adapter()) continue;
    double chosen = 0.0;
    for (const Json& pair : facts_.at("start")) chosen += pair.at(0).get<double>();
    EXPECT_NEAR(metrics->value("chosen_log_probability"), chosen / static_cast<double>(pairs_->rows()), 1e-5);
    double right = 0.0;
    for (std::size_t i = 0; i < facts_.at("start").size(); ++i) {
      double margin = 0.0;
      for (std::size_t answer = 0; answer < 2; ++answer) {
        const double ratio = facts_["start"][i][answer].get<double>() - facts_["references"][i][answer].get<double>();
        const Json& sequence = facts_["pairs"][i][answer];
        const double tokens =
            static_cast<double>(sequence["ids"].size()) - static_cast<double>(sequence["prompt"].get<int>());
        margin += (answer == 0 ? 1.0 : -1.0) * ratio / (each.value("length_normalized", false) ? tokens : 1.0);
      }
      right += margin > 0.0 ? 1.0 : 0.0;
    }
    EXPECT_NEAR(metrics->value("accuracy"), right / static_cast<double>(pairs_->rows()), 1e-12);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, PreferenceParity, testing::Values("llama-causal", "gemma2-causal", "gpt2-adapter"),
                         testing_support::test_name);

}  // namespace
}  // namespace temper
