#include "runtime/steps/step_settings.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "model/freezing.h"
#include "tests/model_fixture.h"
#include "tests/test_device.h"

namespace temper {
namespace {

using testing_support::ModelFixture;
using testing_support::rows_of;

class StepSettingsOfAModel : public testing::Test {
 protected:
  TrainingStepSettings settings() const {
    return step_settings(configuration_, phase_, *model_, rows_of(fixture_.batch));
  }

  std::unique_ptr<Device> device_ = make_test_device();
  ModelFixture fixture_{"bert-classification"};
  std::unique_ptr<Model> model_ = fixture_.load(*device_);
  Configuration configuration_;
  PhasePlan phase_;
};

TEST_F(StepSettingsOfAModel, TakeWhatTheConfigurationSaysOfAStep) {
  configuration_.train.clip_norm = 0.5;
  configuration_.train.seed = 12;
  configuration_.train.update = {.rule = "sgd", .weight_decay = 0.125, .momentum = 0.25};
  configuration_.train.sum_order = "library";
  configuration_.train.compress_gradients = "bf16";
  configuration_.tuning.frozen_dropout = true;
  configuration_.run.cuda_graphs = true;
  const TrainingStepSettings chosen = settings();
  EXPECT_EQ(chosen.clip_norm, 0.5);
  EXPECT_EQ(chosen.seed, 12U);
  EXPECT_EQ(chosen.optimizer.rule, "sgd");
  EXPECT_EQ(chosen.optimizer.weight_decay, 0.125);
  EXPECT_EQ(chosen.optimizer.momentum, 0.25);
  EXPECT_EQ(chosen.buckets.sum_order, SumOrder::library);
  EXPECT_EQ(chosen.buckets.compression, Compression::bf16);
  EXPECT_TRUE(chosen.frozen_dropout);
  EXPECT_TRUE(chosen.graphs);

  configuration_ = Configuration();
  const TrainingStepSettings usual = settings();
  EXPECT_EQ(usual.buckets.sum_order, SumOrder::fixed);
  EXPECT_EQ(usual.buckets.compression, Compression::none);
  EXPECT_FALSE(usual.frozen_dropout);
  EXPECT_FALSE(usual.graphs);
}

TEST_F(StepSettingsOfAModel, KnowWhichRowsOfTheTableAreReadUnlessBatchesAreChanged) {
  apply_freezing(*model_, {});
  TokenStore rows = rows_of(fixture_.batch);
  const TrainingStepSettings known = step_settings(configuration_, phase_, *model_, rows);
  ASSERT_TRUE(known.token_rows.has_value());
  // Masking draws tokens that no row has.
  rows.transform_with([](Batch& batch, std::uint64_t, std::int64_t) { batch.text().ids.front() = 0; }, 1);
  EXPECT_FALSE(step_settings(configuration_, phase_, *model_, rows).token_rows.has_value());
}

TEST_F(StepSettingsOfAModel, GiveEveryParameterItsRate) {
  phase_.layer_decay = 0.5;
  configuration_.tuning.rates = {{"classifier", 3.0}};
  const std::vector<double> factors = settings().rate_factors;
  const auto& parameters = model_->parameters().all();
  ASSERT_EQ(factors.size(), parameters.size());
  const auto factor_of = [&](const std::string& name) {
    for (std::size_t i = 0; i < parameters.size(); ++i)
      if (parameters[i].name == name) return factors[i];
    return -1.0;
  };
  EXPECT_EQ(factor_of("classifier.weight"), 3.0);
  EXPECT_EQ(factor_of("bert.pooler.dense.weight"), 1.0);
  EXPECT_EQ(factor_of("bert.encoder.layer.1.output.dense.bias"), 0.5);
  EXPECT_EQ(factor_of("bert.encoder.layer.0.output.dense.bias"), 0.25);
  EXPECT_EQ(factor_of("bert.embeddings.word_embeddings.weight"), 0.125);
}

TEST_F(StepSettingsOfAModel, PatternsOfEveryPhaseAreChecked) {
  const auto refusal = [&](const std::vector<std::string>& freeze,
                           const std::vector<std::pair<std::string, double>>& rates) -> std::string {
    std::vector<PhasePlan> phases(2);
    phases[1].freeze = freeze;
    try {
      require_patterns(*model_, phases, rates);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::usage);
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(refusal({"*"}, {{"classifier", 2.0}}), "");
  for (const Parameter& parameter : model_->parameters().all()) EXPECT_TRUE(parameter.trainable()) << parameter.name;
  EXPECT_NE(refusal({"encodr"}, {}).find("'encodr' covers no parameter"), std::string::npos);
  EXPECT_NE(refusal({}, {{"clasifier", 2.0}}).find("tuning.rates: the pattern 'clasifier'"), std::string::npos);
  EXPECT_NE(refusal({"*", "pooler", "classifier"}, {}).find("nothing is left to train"), std::string::npos);
}

TEST_F(StepSettingsOfAModel, WhatNoPhaseTrainsIsKnown) {
  std::vector<PhasePlan> phases(2);
  phases[0].freeze = {"*"};
  phases[1].freeze = {"encoder", "pooler"};
  const std::vector<std::string> names{"classifier.weight", "bert.pooler.dense.bias",
                                       "bert.encoder.layer.1.output.dense.bias"};
  EXPECT_EQ(never_trained(*model_, phases, names), std::vector<std::string>{"bert.encoder.layer.1.output.dense.bias"});
  for (const Parameter& parameter : model_->parameters().all()) EXPECT_TRUE(parameter.trainable()) << parameter.name;
  phases[0].freeze = {"pooler", "classifier"};
  phases[1].freeze = {"classifier"};
  EXPECT_EQ(never_trained(*model_, phases, names), std::vector<std::string>{"classifier.weight"});
}

TEST_F(StepSettingsOfAModel, CollectTheRowsThatTrainingReads) {
  apply_freezing(*model_, {});
  const TrainingStepSettings all = settings();
  ASSERT_TRUE(all.token_rows.has_value());
  EXPECT_EQ(all.token_rows->rows(), fixture_.config.vocabulary_size);
  std::int64_t read = 0;
  for (std::int32_t id = 0; id < fixture_.config.vocabulary_size; ++id) {
    const bool occurs = std::ranges::count(fixture_.batch.text().ids, id) > 0;
    EXPECT_EQ(all.token_rows->contains(id), occurs) << id;
    read += occurs ? 1 : 0;
  }
  EXPECT_LT(read, fixture_.config.vocabulary_size) << "a batch that reads every row shows nothing";

  apply_freezing(*model_, std::vector<std::string>{"embeddings"});
  EXPECT_FALSE(settings().token_rows.has_value()) << "a frozen table has no gradient";
  // The words of a masked language model are its head's too.
  const ModelFixture masked("bert-masked-lm");
  model_ = masked.load(*device_);
  apply_freezing(*model_, {});
  EXPECT_FALSE(settings().token_rows.has_value());
}

TEST(LoaderOptionsOfAConfiguration, AreThoseOfItsBatches) {
  Configuration configuration;
  configuration.train.batch_size = 24;
  configuration.train.gradient_accumulation = 3;
  configuration.train.seed = 5;
  configuration.data.shuffle = false;
  const LoaderOptions options = loader_options(configuration, 8, {2, 4});
  EXPECT_EQ(options.batch_size, 24);
  EXPECT_EQ(options.grains, 8);
  EXPECT_EQ(options.first_grain, 2);
  EXPECT_EQ(options.last_grain, 4);
  EXPECT_EQ(options.micro_batches, 3);
  EXPECT_EQ(options.seed, 5U);
  EXPECT_FALSE(options.shuffle);
  EXPECT_LT(options.epochs, 0) << "the trainer counts steps";
}

}  // namespace
}  // namespace temper
