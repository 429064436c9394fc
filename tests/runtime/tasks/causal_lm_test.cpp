// Causal language modelling from tokens to metrics and predictions, over a stack that is made up: what a token predicts
// depends on itself alone.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "data/packed_rows.h"
#include "data/text/running_text.h"
#include "data/token_store.h"
#include "model/heads/causal_lm_head.h"
#include "model/layers/text_embeddings.h"
#include "runtime/evaluation/document_losses.h"
#include "runtime/evaluation/evaluator.h"
#include "runtime/steps/training_step.h"
#include "runtime/tasks/prediction_json.h"
#include "runtime/tasks/scores.h"
#include "tests/data/tokenizer/tokenizer_json.h"
#include "tests/model/packed_batch.h"
#include "tests/world.h"

namespace temper {
namespace {

constexpr std::int64_t kModelWidth = 6;
constexpr std::int64_t kWords = 7;

/// Rows of these tokens, each of which predicts the next.
TokenStore rows_of_texts(const std::vector<std::vector<std::int32_t>>& texts) {
  TokenRows rows;
  for (const std::vector<std::int32_t>& text : texts) {
    rows.ids.insert(rows.ids.end(), text.begin(), text.end());
    rows.classes.insert(rows.classes.end(), text.begin() + 1, text.end());
    rows.classes.push_back(kUnlabelled);
    rows.starts.push_back(rows.tokens());
  }
  rows.types.assign(rows.ids.size(), 0);
  return TokenStore(std::move(rows));
}

class CausalLm : public testing::Test {
 protected:
  void SetUp() override {
    ModelParts parts{.width = kModelWidth};
    const ParameterPlace place{parts.parameters, 0, ParameterRole::weight, Initialization::normal(0.5F), "net."};
    parts.input = std::make_unique<TextEmbeddings>(place, TextEmbeddingNames{},
                                                   TextEmbeddingShape{kWords, 8, 0, 0, kModelWidth, 1e-5F, 0.0});
    parts.head = std::make_unique<CausalLmHead>(parts.input->token_table(), LossSettings{task_.loss});
    model_ = std::make_unique<Model>(std::move(parts), HeadRequest{task_.head, 0}, "NetLMHeadModel");
    testing_support::draw_all(*model_, *device_);
    for (const Parameter& parameter : model_->parameters().all()) parameter.variable.set_requires_gradient(true);
  }

  Metrics measure(const TokenStore& rows, std::int64_t batch_size) { return evaluate_source(rows, batch_size); }

  Metrics evaluate_source(const ExampleSource& rows, std::int64_t batch_size) {
    EvaluationSettings settings;
    settings.task = &task_;
    settings.batch_size = batch_size;
    return evaluate(*model_, *device_, world_communicator(), rows, settings).value();
  }

  const TaskSpec& task_ = task_named("causal-lm");
  std::unique_ptr<Device> device_ = make_cpu_device();
  std::unique_ptr<Model> model_;
};

TEST_F(CausalLm, EveryPredictedTokenCountsTheSame) {
  const TokenStore rows = rows_of_texts({{1, 2, 3, 4, 5, 6}, {3}, {2, 2}, {6, 0, 1}});
  const Metrics metrics = measure(rows, 2);
  EXPECT_NEAR(metrics.value("perplexity"), std::exp(metrics.value("loss")), 1e-9);
  EXPECT_NEAR(measure(rows, 4).value("loss"), metrics.value("loss"), 1e-6) << "however rows lie in batches";

  double sum = 0.0;
  double tokens = 0.0;
  for (const auto& [text, predicted] : std::vector<std::pair<std::vector<std::int32_t>, double>>{
           {{1, 2, 3, 4, 5, 6}, 5}, {{2, 2}, 1}, {{6, 0, 1}, 2}}) {
    sum += measure(rows_of_texts({text}), 1).value("loss") * predicted;
    tokens += predicted;
  }
  EXPECT_NEAR(metrics.value("loss"), sum / tokens, 1e-6);
}

TEST_F(CausalLm, TextOfNoBytesHasNoFigureForAByte) {
  EXPECT_TRUE(std::isnan(measure(rows_of_texts({{1, 2, 3}}), 1).value("bits_per_byte")));
}

TEST_F(CausalLm, WritesTheLossOfEachText) {
  const std::unique_ptr<Tokenizer> tokenizer = testing_support::tokenizer_of(testing_support::small_bert());
  const LabelSet labels;
  const PredictionContext context{.labels = labels, .tokenizer = tokenizer.get()};
  const auto writer = task_.make_prediction_writer(context);
  PredictionJson some;
  writer->write(some, {"", {}, {.sum = 3.0, .tokens = 2, .bytes = 6}});
  EXPECT_NEAR(some["loss"].get<double>(), 1.5, 1e-6);
  EXPECT_NEAR(some["perplexity"].get<double>(), std::exp(1.5), 1e-5);
  EXPECT_NEAR(some["bits_per_byte"].get<double>(), 0.721348, 1e-6) << "3 nats are 4.32809 bits, for 6 bytes";
  EXPECT_EQ(some["predicted_tokens"], 2);
  PredictionJson nothing;
  writer->write(nothing, {"", {}, {}});
  EXPECT_EQ(nothing.dump(), R"({"loss":null,"perplexity":null,"bits_per_byte":null,"predicted_tokens":0})");
}

/// Documents of the text, without classes, as tokenize_rows gives them.
TokenStore documents_of(const std::vector<std::vector<std::int32_t>>& texts) {
  TokenRows rows;
  for (const std::vector<std::int32_t>& text : texts) {
    rows.ids.insert(rows.ids.end(), text.begin(), text.end());
    rows.starts.push_back(rows.tokens());
  }
  rows.types.assign(rows.ids.size(), 0);
  return TokenStore(std::move(rows));
}

TEST_F(CausalLm, ADocumentHasTheSameLossPackedAndAlone) {
  const std::vector<std::vector<std::int32_t>> texts{{1, 2, 3, 4}, {5, 2}, {6, 6, 0, 1, 3, 2}, {3, 3, 1}};
  const TokenStore rows = sequences_of(documents_of(texts), {TextPacking::documents, 6});
  const PackedRows packed(rows, 6);
  ASSERT_LT(packed.rows(), rows.rows());
  const TextWindows windows(rows, 6, 6);
  const auto never = [] { return false; };
  const std::vector<TextLoss> together = document_losses(*model_, *device_, windows, 4, 4, never);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const TextWindows alone(documents_of({texts[i]}), 6, 6);
    EXPECT_EQ(document_losses(*model_, *device_, alone, 1, 1, never).front().sum, together[i].sum) << i;
    EXPECT_EQ(together[i].tokens, static_cast<std::int64_t>(texts[i].size()) - 1);
  }
  double sum = 0.0;
  for (const TextLoss& loss : together) sum += loss.sum;
  EXPECT_NEAR(measure(rows, 2).value("loss"), sum / 11.0, 1e-6) << "the evaluation's mean is that of the documents";
  EXPECT_NEAR(evaluate_source(packed, 1).value("loss"), sum / 11.0, 1e-6) << "so is that of packs";
}

TEST_F(CausalLm, LearnsWhichTokenFollows) {
  const TokenStore rows = rows_of_texts({{1, 2, 3, 4, 5, 6, 0, 1}});
  const double before = measure(rows, 1).value("loss");
  const auto solo = make_solo_communicator();
  TrainingStepSettings settings;
  settings.rate_factors.assign(model_->parameters().all().size(), 1.0);
  TrainingStep step(*model_, *device_, *solo, settings);
  const std::vector<std::int64_t> all{0};
  StepOutcome outcome;
  for (std::int64_t number = 0; number < 200; ++number) {
    StepBatch batch;
    batch.grains.push_back({rows.read(all, 0)});
    outcome = step.run(batch, number, 0.05, {});
    EXPECT_EQ(outcome.weight, 7.0);
    if (number == 0) {
      EXPECT_NEAR(outcome.loss, before, 1e-6) << "the loss of training is that of the evaluation";
    }
  }
  step.settle();
  const Metrics after = measure(rows, 1);
  EXPECT_LT(after.value("loss"), 0.2 * before);
  EXPECT_EQ(after.value("accuracy"), 1.0);
}

}  // namespace
}  // namespace temper
