// Embeddings against transformers' last hidden states, pooled and made as long as 1 (its base models in f64).
#include "runtime/evaluation/embeddings.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <numeric>
#include <string>

#include "runtime/evaluation/evaluator.h"
#include "tests/model_fixture.h"

namespace temper {
namespace {

using testing_support::ModelFixture;

struct Case {
  const char* fixture;
  EmbeddingPooling pooling;
  std::size_t row;
  std::vector<float> beginning;
};

class Embeddings : public testing::TestWithParam<Case> {};

TEST_P(Embeddings, EqualPooledHiddenStates) {
  const Case& wanted = GetParam();
  const std::unique_ptr<Device> device = make_cpu_device();
  const ModelFixture fixture(wanted.fixture);
  const std::unique_ptr<Model> model = fixture.load(*device);
  const DeviceBatch batch = to_device(fixture.batch, model->readout(), BatchUse{.labelled = false}, *device);
  const auto vectors = embeddings_of(*model, *device, fixture.batch, batch, DType::f32, wanted.pooling, {});
  const std::vector<float>& vector = vectors[wanted.row];
  ASSERT_EQ(static_cast<std::int64_t>(vector.size()), model->width());
  for (std::size_t i = 0; i < wanted.beginning.size(); ++i) EXPECT_NEAR(vector[i], wanted.beginning[i], 3e-6) << i;
  EXPECT_NEAR(std::inner_product(vector.begin(), vector.end(), vector.begin(), 0.0), 1.0, 1e-6);

  // What is known of the lower stages gives the same bits, and so does a row alone.
  FrozenPart below{model->stages() - 1, {}};
  Tape tape(*device, Tape::Mode::evaluation);
  below.output = model->hidden_state(tape, batch.input, batch.selection, below.stages);
  EXPECT_EQ(embeddings_of(*model, *device, fixture.batch, batch, DType::f32, wanted.pooling, below), vectors);
  const Batch alone = fixture.part_of_batch(wanted.row, 1);
  const DeviceBatch alone_there = to_device(alone, model->readout(), BatchUse{.labelled = false}, *device);
  EXPECT_EQ(embeddings_of(*model, *device, alone, alone_there, DType::f32, wanted.pooling, {}).front(), vector);
}

constexpr auto kMean = EmbeddingPooling::mean;
constexpr auto kFirst = EmbeddingPooling::first;

INSTANTIATE_TEST_SUITE_P(
    Fixtures, Embeddings,
    testing::Values(
        Case{"bert-classification", kMean, 1, {0.6163719F, 0.2006938F, 0.1884589F, -0.001615202F, -0.5946455F}},
        Case{"bert-classification", kFirst, 0, {0.2216867F, -0.135031F, 0.3321641F, -0.190973F, -0.401364F}},
        Case{"modernbert-multilabel", kMean, 0, {-0.442538F, 0.2344801F, 0.04958516F, 0.08743206F, 0.007344008F}},
        Case{"llama-classification", kMean, 0, {0.2309701F, 0.1842554F, 0.4141202F, -0.427412F, 0.1014383F}},
        Case{"qwen2-multilabel", kMean, 1, {0.1980067F, 0.1499117F, 0.133235F, 0.1433161F, 0.3357976F}},
        Case{"vit-multilabel-image", kMean, 0, {0.3439324F, 0.1139467F, -0.553748F, 0.3828596F, -0.3357803F}},
        Case{"vit-multilabel-image", kFirst, 1, {0.4980489F, 0.1982445F, -0.2729067F, 0.1548635F, -0.1049218F}},
        Case{"dinov2-registers-image", kMean, 1, {0.4216168F, -0.1311039F, -0.04411898F, 0.1242402F, -0.4156551F}},
        Case{"dinov2-registers-image", kFirst, 0, {0.2586129F, -0.554719F, -0.5176823F, 0.05528852F, -0.03571479F}}));

TEST(PredictEmbedded, GivesTheBitsOfAPredictionWithout) {
  const std::unique_ptr<Device> device = make_cpu_device();
  const ModelFixture fixture("bert-classification");
  const std::unique_ptr<Model> model = fixture.load(*device);
  const TokenStore rows = testing_support::rows_of(fixture.batch);
  std::vector<float> without;
  predict(*model, *device, rows, DType::f32, 0, rows.rows(), 2, [&](std::int64_t, std::span<const float> outputs) {
    without.insert(without.end(), outputs.begin(), outputs.end());
  });
  for (const EmbeddingPooling pooling : {EmbeddingPooling::none, kMean, kFirst}) {
    std::vector<float> with;
    predict_embedded(*model, *device, rows, DType::f32, 0, rows.rows(), 2, pooling,
                     [&](std::int64_t, std::span<const float> outputs, std::span<const float> embedding) {
                       with.insert(with.end(), outputs.begin(), outputs.end());
                       EXPECT_EQ(embedding.empty(), pooling == EmbeddingPooling::none);
                     });
    EXPECT_EQ(with, without);
  }
}

}  // namespace
}  // namespace temper
