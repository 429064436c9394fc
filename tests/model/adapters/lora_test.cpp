// Adapters beside the layers of a model: how they begin, what they compute, what dropout of theirs depends on, and what
// becomes of a model that they are merged into.
#include "model/adapters/lora.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include "base/error.h"
#include "model/architectures/registry.h"
#include "model/freezing.h"
#include "model/layers/linear.h"
#include "tensor/device.h"
#include "tests/model/packed_batch.h"

namespace temper {
namespace {

using testing_support::draw_all;
using testing_support::PackedBatch;
using Values = std::vector<float>;

constexpr const char* kBert =
    R"({"model_type":"bert","vocab_size":20,"hidden_size":12,"num_hidden_layers":2,"num_attention_heads":2,)"
    R"("intermediate_size":20,"max_position_embeddings":12,"hidden_dropout_prob":0.0,)"
    R"("attention_probs_dropout_prob":0.0})";
constexpr const char* kAlbert =
    R"({"model_type":"albert","vocab_size":20,"embedding_size":8,"hidden_size":12,"num_hidden_layers":3,)"
    R"("num_attention_heads":2,"intermediate_size":20,"max_position_embeddings":12,"hidden_dropout_prob":0.0,)"
    R"("attention_probs_dropout_prob":0.0})";
constexpr const char* kLlama =
    R"({"model_type":"llama","vocab_size":20,"hidden_size":12,"num_hidden_layers":2,"num_attention_heads":2,)"
    R"("intermediate_size":20,"max_position_embeddings":12,"tie_word_embeddings":true})";

constexpr const char* kDistilbert =
    R"({"model_type":"distilbert","vocab_size":20,"dim":12,"n_layers":2,"n_heads":2,"hidden_dim":20,)"
    R"("max_position_embeddings":12,"dropout":0.0,"attention_dropout":0.0})";

class LoraTest : public testing::Test {
 protected:
  std::unique_ptr<Model> make(const char* config, HeadKind head = HeadKind::token) {
    std::unique_ptr<Model> model = make_model(parse_model_config(config, ""), {head, 3});
    draw_all(*model, *device_);
    return model;
  }

  static LoraSettings settings(TargetPreset preset = TargetPreset::all_linear) {
    LoraSettings settings;
    settings.rank = 3;
    settings.alpha = 6.0;
    settings.preset = preset;
    return settings;
  }

  Lora attach(Model& model, const LoraSettings& settings, std::uint64_t seed = 7) {
    Lora lora = attach_lora(model, *device_, settings, seed, "lora.targets");
    apply_freezing(model, {});
    return lora;
  }

  /// B has values, so that adapters change something.
  void draw_adapters(const Model& model) {
    for (const Parameter& parameter : model.parameters().all()) {
      if (parameter.role != ParameterRole::adapter || parameter.shape.dimensions() < 2) continue;
      Values values(static_cast<std::size_t>(parameter.size()));
      initialize(values, parameter.shape, Initialization::normal(0.3F), 11, parameter.name);
      parameter.variable.set_value(device_->upload(std::span<const float>(values), parameter.shape));
    }
  }

  Values hidden(const Model& model, const std::vector<std::int32_t>& lengths,
                Tape::Mode mode = Tape::Mode::evaluation) {
    const PackedBatch batch(*device_, lengths);
    Tape tape(*device_, mode, random_key(3, 5));
    const Variable last = model.forward(tape, batch.input, TokenSelection());
    return device_->download_as_f32(last.value());
  }

  std::unique_ptr<Device> device_ = make_cpu_device();
};

TEST_F(LoraTest, NewAdaptersChangeNothing) {
  for (const bool dora : {false, true}) {
    const auto model = make(kBert);
    const Values before = hidden(*model, {5, 3});
    LoraSettings wanted = settings();
    wanted.dora = dora;
    attach(*model, wanted);
    const Values after = hidden(*model, {5, 3});
    ASSERT_EQ(before.size(), after.size());
    for (std::size_t i = 0; i < before.size(); ++i) EXPECT_NEAR(after[i], before[i], dora ? 1e-5F : 0.0F);
  }
}

TEST_F(LoraTest, TheyBeginAsPeftBeginsThem) {
  const auto model = make(kBert);
  attach(*model, settings());
  const Parameter& a = *model->parameters().find("bert.encoder.layer.0.intermediate.dense.lora_A.weight");
  EXPECT_EQ(a.shape, (Shape{3, 12}));
  const Values values = device_->download_as_f32(a.variable.value());
  const float bound = 1.0F / std::sqrt(12.0F);
  EXPECT_LE(*std::max_element(values.begin(), values.end()), bound);
  EXPECT_GT(*std::max_element(values.begin(), values.end()), 0.7F * bound);
  EXPECT_LT(*std::min_element(values.begin(), values.end()), -0.7F * bound);
  const Parameter& b = *model->parameters().find("bert.encoder.layer.0.intermediate.dense.lora_B.weight");
  EXPECT_EQ(b.shape, (Shape{20, 3}));
  EXPECT_EQ(device_->download_as_f32(b.variable.value()), Values(60, 0.0F));

  const auto again = make(kBert);
  attach(*again, settings());
  EXPECT_EQ(device_->download_as_f32(again->parameters().find(a.name)->variable.value()), values);
  const auto other = make(kBert);
  attach(*other, settings(), 8);
  EXPECT_NE(device_->download_as_f32(other->parameters().find(a.name)->variable.value()), values);
}

TEST_F(LoraTest, OnlyTheyAreTrainedAndTheHead) {
  const auto model = make(kBert);
  LoraSettings wanted = settings(TargetPreset::attention);
  add_trained_heads(wanted, *model, {});
  const Lora lora = attach(*model, wanted);
  std::size_t trained = 0;
  for (const Parameter& parameter : model->parameters().all()) {
    const bool expected = parameter.role == ParameterRole::adapter || parameter.name.starts_with("classifier");
    EXPECT_EQ(parameter.trainable(), expected) << parameter.name;
    trained += parameter.trainable() ? 1 : 0;
  }
  EXPECT_EQ(trained, 2U * 4 * 2 + 2);
  EXPECT_EQ(lora.trained.size(), trained);
  EXPECT_EQ(model->frozen_stages(), 1) << "the embeddings";
  // What of a head is new may not stay as it was drawn.
  const auto pooled = make(kBert, HeadKind::sequence);
  LoraSettings with_pooler = settings(TargetPreset::attention);
  const std::vector<std::string> drawn{"bert.pooler.dense.weight", "bert.pooler.dense.bias", "classifier.weight"};
  add_trained_heads(with_pooler, *pooled, drawn);
  EXPECT_EQ(with_pooler.modules_to_save, (std::vector<std::string>{"classifier", "score", "bert.pooler.dense"}));
  attach(*pooled, with_pooler);
  EXPECT_TRUE(pooled->parameters().find("bert.pooler.dense.weight")->trainable());
}

TEST_F(LoraTest, BiasesAreTrainedAsAskedFor) {
  const auto trained_biases = [&](LoraBias bias) {
    const auto model = make(kBert);
    LoraSettings wanted = settings(TargetPreset::attention);
    wanted.bias = bias;
    attach(*model, wanted);
    return std::count_if(model->parameters().all().begin(), model->parameters().all().end(),
                         [](const Parameter& p) { return p.trainable() && p.name.ends_with(".bias"); });
  };
  EXPECT_EQ(trained_biases(LoraBias::none), 0);
  EXPECT_EQ(trained_biases(LoraBias::lora_only), 8);
  const auto plain = make(kBert);
  const auto all = std::count_if(plain->parameters().all().begin(), plain->parameters().all().end(),
                                 [](const Parameter& p) { return p.name.ends_with(".bias"); });
  EXPECT_EQ(trained_biases(LoraBias::all), all);
}

TEST_F(LoraTest, DropoutIsOfWhatTheAdapterMultipliesAlone) {
  ParameterList list;
  const Linear layer({list, 1, ParameterRole::weight, Initialization::zeros()}, "layer", 4, 6);
  Values values(24);
  initialize(values, {4, 6}, Initialization::normal(1.0F), 1, "w");
  layer.weight().set_value(device_->upload(std::span<const float>(values), Shape{4, 6}));
  layer.bias().set_value(device_->zeros({4}));
  const auto draw = [&](const Shape& shape, const char* name) {
    Values drawn(static_cast<std::size_t>(shape.elements()));
    initialize(drawn, shape, Initialization::normal(1.0F), 2, name);
    return Variable(device_->upload(std::span<const float>(drawn), shape));
  };
  LowRankParts parts{.a = draw({2, 6}, "a"), .b = draw({4, 2}, "b"), .scale = 0.5F, .dropout = 0.5};
  list.modules().front()->adapter = std::make_shared<const LowRank>(parts);
  const Variable x = draw({5, 6}, "x");
  const PackedBatch batch(*device_, {3, 2});
  Tape tape(*device_, Tape::Mode::training, random_key(1, 1));
  tape.enter_stage(4, {5, batch.input.token_names()}, {});
  const Values actual = device_->download_as_f32(layer(tape, x).value());
  const Dropout drop = tape.dropout(0.5, (1U << 16) + 4);
  const Variable dropped = dropout(tape, x, batch.input.token_names(), drop);
  EXPECT_NE(device_->download_as_f32(dropped.value()), device_->download_as_f32(x.value()));
  const Variable narrow = scale(tape, linear(tape, dropped, parts.a, Variable()), 0.5F);
  const Variable expected =
      add(tape, linear(tape, x, layer.weight(), layer.bias()), linear(tape, narrow, parts.b, Variable()));
  const Values wanted = device_->download_as_f32(expected.value());
  for (std::size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(actual[i], wanted[i], 1e-5F);
  // A matrix whose rows are no tokens of the stage is told of.
  EXPECT_THROW((void)layer(tape, draw({4, 6}, "x")), Error);
}

TEST_F(LoraTest, ARowsDropoutDoesNotDependOnItsCompany) {
  for (const char* config : {kBert, kAlbert}) {
    const auto model = make(config);
    LoraSettings wanted = settings();
    wanted.dropout = 0.4;
    attach(*model, wanted);
    draw_adapters(*model);
    const Values together = hidden(*model, {4, 6}, Tape::Mode::training);
    const Values alone = hidden(*model, {4}, Tape::Mode::training);
    EXPECT_TRUE(std::equal(alone.begin(), alone.end(), together.begin()));
    EXPECT_NE(hidden(*model, {4}), alone) << "dropout is off in evaluation";
  }
}

TEST_F(LoraTest, MergedWeightsComputeWhatAdaptersDid) {
  for (const bool dora : {false, true}) {
    const auto model = make(kBert);
    LoraSettings wanted = settings();
    wanted.dora = dora;
    wanted.rslora = dora;
    const Lora lora = attach(*model, wanted);
    draw_adapters(*model);
    const std::size_t before = model->parameters().all().size();
    const Values unmerged = hidden(*model, {5, 3});
    merge_lora(*model, *device_, lora);
    EXPECT_LT(model->parameters().all().size(), before);
    const Values merged = hidden(*model, {5, 3});
    for (std::size_t i = 0; i < merged.size(); ++i) EXPECT_NEAR(merged[i], unmerged[i], 2e-4F) << i;
    apply_freezing(*model, {});
    for (const Parameter& parameter : model->parameters().all()) EXPECT_TRUE(parameter.trainable()) << parameter.name;
  }
}

TEST_F(LoraTest, ATiedHeadIsNotMergedInto) {
  const auto model = make(kLlama, HeadKind::causal_language_model);
  LoraSettings wanted;
  wanted.targets = {{"embed_tokens"}, false};
  const Lora lora = attach(*model, wanted);
  EXPECT_NE(reason_against_merging(*model, lora).find("model.embed_tokens cannot be merged"), std::string::npos);
  EXPECT_THROW(merge_lora(*model, *device_, lora), Error);
  EXPECT_NE(model->parameters().find("model.embed_tokens.lora_embedding_A"), nullptr) << "nothing has changed";
  // Nor is the table trained in full, which PEFT would part from the head.
  const auto other = make(kLlama, HeadKind::causal_language_model);
  LoraSettings saved = settings(TargetPreset::attention);
  saved.modules_to_save = {"embed_tokens"};
  EXPECT_THROW((void)attach_lora(*other, *device_, saved, 1, "lora.targets"), Error);
}

TEST_F(LoraTest, SettingsThatDoNotFitAreRefused) {
  const auto refused = [&](const LoraSettings& wanted) {
    const auto model = make(kBert);
    EXPECT_THROW((void)attach_lora(*model, *device_, wanted, 1, "lora.targets"), Error);
  };
  LoraSettings wanted = settings();
  wanted.modules_to_save = {"clasifier"};
  refused(wanted);
  wanted = settings();
  wanted.rank_pattern = {{"query", 1.5}};
  refused(wanted);
  wanted = LoraSettings();
  wanted.targets = {{"word_embeddings"}, false};
  wanted.dora = true;
  refused(wanted);
}

/// PEFT takes "classifier" for the end of "pre_classifier", too: what is trained whole has no adapter.
TEST_F(LoraTest, WhatIsTrainedWholeHasNoAdapter) {
  const std::unique_ptr<Model> model = make(kDistilbert, HeadKind::sequence);
  LoraSettings all = settings();
  add_trained_heads(all, *model, {});
  const Lora lora = attach(*model, all);
  EXPECT_FALSE(lora.modules.empty());
  for (const FileModule& module : lora.modules) EXPECT_EQ(module.name.find("classifier"), std::string::npos);
  std::set<std::string> names;
  for (const TrainedInAdapter& trained : lora.trained) EXPECT_TRUE(names.insert(trained.form.name).second);
  for (const char* name : {"pre_classifier.weight", "pre_classifier.bias", "classifier.weight", "classifier.bias"})
    EXPECT_TRUE(names.contains(std::string("base_model.model.") + name)) << name;
}

}  // namespace
}  // namespace temper
