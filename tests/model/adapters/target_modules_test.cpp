// Which modules adapters go to: names, expressions and presets, as PEFT takes them.
#include "model/adapters/target_modules.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>

#include "base/error.h"
#include "model/adapters/python_pattern.h"
#include "model/architectures/registry.h"

namespace temper {
namespace {

using Names = std::vector<std::string>;

constexpr const char* kSmallBert =
    R"({"model_type":"bert","vocab_size":20,"hidden_size":8,"num_hidden_layers":2,"num_attention_heads":2,)"
    R"("intermediate_size":16,"max_position_embeddings":12})";
constexpr const char* kSmallGpt2 =
    R"({"model_type":"gpt2","vocab_size":20,"n_embd":8,"n_layer":3,"n_head":2,"n_positions":12})";
constexpr const char* kSmallLlama =
    R"({"model_type":"llama","vocab_size":20,"hidden_size":8,"num_hidden_layers":2,"num_attention_heads":2,)"
    R"("intermediate_size":16,"max_position_embeddings":12,"tie_word_embeddings":false})";

std::unique_ptr<Model> model_of(const char* config, HeadKind head) {
  return make_model(parse_model_config(config, ""), {head, 3});
}

Names names_of(const Model& model, const LoraSettings& settings) {
  Names names;
  for (const FileModule& module : target_modules(model, settings, "here")) names.push_back(module.name);
  return names;
}

LoraSettings listed(Names names) {
  LoraSettings settings;
  settings.targets = {std::move(names), false};
  return settings;
}

LoraSettings pattern(const std::string& expression) {
  LoraSettings settings;
  settings.targets = {{expression}, true};
  return settings;
}

std::string refusal(const Model& model, const LoraSettings& settings) {
  try {
    (void)target_modules(model, settings, "lora.targets");
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(TargetModules, AListNamesEndsOfPathsInWholeParts) {
  const auto bert = model_of(kSmallBert, HeadKind::sequence);
  EXPECT_EQ(names_of(*bert, listed({"query"})),
            (Names{"bert.encoder.layer.0.attention.self.query", "bert.encoder.layer.1.attention.self.query"}));
  EXPECT_EQ(names_of(*bert, listed({"1.output.dense"})), Names{"bert.encoder.layer.1.output.dense"});
  EXPECT_EQ(names_of(*bert, listed({"word_embeddings"})), Names{"bert.embeddings.word_embeddings"});
  // "dense" is no part of "intermediate.dense" alone, and "uery" is no part at all.
  EXPECT_EQ(names_of(*bert, listed({"dense"})).size(), 7U) << "three in each layer, and the pooler's";
  EXPECT_NE(refusal(*bert, listed({"uery"})).find("did you mean 'query'?"), std::string::npos);
}

TEST(TargetModules, AnExpressionMatchesTheWholePath) {
  const auto bert = model_of(kSmallBert, HeadKind::sequence);
  EXPECT_EQ(names_of(*bert, pattern(R"(.*\.layer\.1\.attention\.self\.(?:query|value))")).size(), 2U);
  EXPECT_EQ(names_of(*bert, pattern(R"(.*(?P<x>query))")).size(), 2U) << "a named group as Python writes it";
  const std::string message = refusal(*bert, pattern("query"));
  EXPECT_NE(message.find(R"(write a list: ["query"])"), std::string::npos) << message;
  EXPECT_NE(refusal(*bert, pattern("(query")).find("is no regular expression"), std::string::npos);
}

TEST(TargetModules, PresetsAreLayersByWhatTheyAreFor) {
  const auto llama = model_of(kSmallLlama, HeadKind::causal_language_model);
  LoraSettings settings;
  settings.preset = TargetPreset::attention;
  EXPECT_EQ(names_of(*llama, settings).size(), 8U);
  EXPECT_EQ(names_of(*llama, settings).front(), "model.layers.0.self_attn.q_proj");
  settings.preset = TargetPreset::mlp;
  EXPECT_EQ(names_of(*llama, settings),
            (Names{"model.layers.0.mlp.gate_proj", "model.layers.0.mlp.up_proj", "model.layers.0.mlp.down_proj",
                   "model.layers.1.mlp.gate_proj", "model.layers.1.mlp.up_proj", "model.layers.1.mlp.down_proj"}));
  settings.preset = TargetPreset::all_linear;
  EXPECT_EQ(names_of(*llama, settings).size(), 14U) << "the head is none of them";
  settings.excluded = {{"down_proj"}, false};
  EXPECT_EQ(names_of(*llama, settings).size(), 12U);
  settings.excluded = {{R"(.*layers\.0\..*)"}, true};
  EXPECT_EQ(names_of(*llama, settings).size(), 7U);
  const auto bert = model_of(kSmallBert, HeadKind::sequence);
  LoraSettings all;
  all.preset = TargetPreset::all_linear;
  all.modules_to_save = {"classifier", "score"};
  EXPECT_EQ(names_of(*bert, all).size(), 13U) << "six in each layer, and the pooler's";
}

TEST(TargetModules, EveryArchitectureHasItsAttentionAndItsNetwork) {
  for (const std::string& type : supported_model_types()) {
    if (type == "deberta-v2") continue;  // needs keys of its own; below
    if (type == "convnext" || type == "resnet") continue;  // convolutions
    const ModelConfig config = parse_model_config("{\"model_type\":\"" + type + "\",\"vocab_size\":20}", "");
    const HeadKind kind = architecture_of(config).heads.back();
    const auto model = make_model(config, {kind, 3});
    for (const TargetPreset preset : {TargetPreset::attention, TargetPreset::mlp}) {
      LoraSettings settings;
      settings.preset = preset;
      EXPECT_FALSE(names_of(*model, settings).empty()) << type;
    }
  }
}

TEST(TargetModules, OneModuleMayBeSeveralLayers) {
  const auto gpt2 = model_of(kSmallGpt2, HeadKind::causal_language_model);
  const std::vector<FileModule> modules = target_modules(*gpt2, listed({"c_attn"}), "here");
  ASSERT_EQ(modules.size(), 3U);
  EXPECT_EQ(modules.front().layers.size(), 3U);
  EXPECT_EQ(modules.front().layers[1].weight, "transformer.h.0.attn.key.weight");
  EXPECT_TRUE(modules.front().is_transposed());
}

TEST(TargetModules, LayersAreCountedByTheFirstNumberOfAPath) {
  const auto gpt2 = model_of(kSmallGpt2, HeadKind::causal_language_model);
  LoraSettings settings = listed({"c_fc"});
  settings.layers = {0, 2};
  const Names two{"transformer.h.0.mlp.c_fc", "transformer.h.2.mlp.c_fc"};
  EXPECT_EQ(names_of(*gpt2, settings), two);
  settings.layers_pattern = {"layers", "h"};
  EXPECT_EQ(names_of(*gpt2, settings), two);
  settings.layers_pattern = {"layers"};
  EXPECT_NE(refusal(*gpt2, settings).find("fits no module"), std::string::npos);
}

TEST(TargetModules, WhatCanHaveNoneIsSaid) {
  const auto gpt2 = model_of(kSmallGpt2, HeadKind::causal_language_model);
  EXPECT_NE(refusal(*gpt2, listed({"lm_head"})).find("is tied to the embeddings"), std::string::npos);
  EXPECT_NE(refusal(*gpt2, listed({"ln_1"})).find("is neither a linear layer nor a table of words"), std::string::npos);
}

TEST(TargetModules, ModulesTrainedInFullHaveNone) {
  const auto bert = model_of(kSmallBert, HeadKind::sequence);
  LoraSettings settings = listed({"query", "classifier"});
  settings.modules_to_save = {"classifier"};
  EXPECT_EQ(names_of(*bert, settings).size(), 2U);
  EXPECT_TRUE(is_saved_whole(settings, "classifier.weight"));
  EXPECT_TRUE(is_saved_whole(settings, "pre_classifier.bias")) << "as PEFT, by the end of the name";
  EXPECT_FALSE(is_saved_whole(settings, "classifiers.weight"));
}

TEST(TargetModules, WhatFitsNothingIsRefused) {
  const auto bert = model_of(kSmallBert, HeadKind::sequence);
  LoraSettings settings = listed({"query", "value"});
  const auto expect = [&](const LoraSettings& wanted, const std::string& what) {
    const std::string message = refusal(*bert, wanted);
    EXPECT_NE(message.find(what), std::string::npos) << message;
  };
  LoraSettings wanted = settings;
  wanted.rank_pattern = {{"query", 2.0}, {"valeu", 4.0}};
  expect(wanted, "lora.rank_pattern: 'valeu' fits no module that has an adapter: did you mean 'value'?");
  wanted = settings;
  wanted.alpha_pattern = {{"layer.7.attention.self.query", 2.0}};
  expect(wanted, "lora.alpha_pattern: 'layer.7.attention.self.query' fits no module that has an adapter");
  wanted = settings;
  wanted.alpha_pattern = {{"key", 2.0}};
  expect(wanted, "lora.alpha_pattern: 'key' fits no module that has an adapter");
  wanted = settings;
  wanted.excluded = {{"layer.0.attention.self.query", "keys"}, false};
  expect(wanted, "lora.exclude: 'keys' fits no module of this model");
  wanted = settings;
  wanted.excluded = {{"query"}, true};
  expect(wanted, "lora.exclude: 'query' fits the whole path of no module");
  wanted = settings;
  wanted.layers = {1, 5};
  expect(wanted, "lora.layers: 5 is the number of no layer");
  wanted.layers = {1};

  // What is used is not refused, and a folder of PEFT's may say more than it used.
  wanted.layers_pattern = {"layer"};
  wanted.rank_pattern = {{"query", 2.0}, {R"(layer\.1\..*)", 4.0}};
  wanted.excluded = {{"classifier"}, false};
  EXPECT_EQ(names_of(*bert, wanted).size(), 2U);
  wanted.rank_pattern = {{"nothing", 2.0}};
  wanted.peft_config = "{}";
  EXPECT_EQ(names_of(*bert, wanted).size(), 2U);
}

TEST(PatternTables, TheFirstThatMatchesTheEndOfAPathCounts) {
  const std::vector<std::pair<std::string, double>> table{{"layers\\.1\\..*", 2.0}, {"q_proj", 4.0}};
  const auto value = [&](const std::string& module) { return value_for(table, module, 8.0, "here"); };
  EXPECT_EQ(value("model.layers.1.self_attn.q_proj"), 2.0);
  EXPECT_EQ(value("model.layers.0.self_attn.q_proj"), 4.0);
  EXPECT_EQ(value("model.layers.0.self_attn.xq_proj"), 8.0);
  EXPECT_EQ(value("model.layers.11.self_attn.v_proj"), 8.0);
}

TEST(PythonPattern, AnExpressionThatTriesTooMuchIsRefused) {
  const PythonPattern hostile("(a+)+b", "adapter_config.json");
  EXPECT_THROW((void)hostile.matches_whole(std::string(200, 'a') + "c"), Error);
}

}  // namespace
}  // namespace temper
