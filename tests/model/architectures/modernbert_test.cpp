// What is read of a ModernBERT's configuration, in the form of release 5 and in that of the models on hubs.
#include <gtest/gtest.h>

#include <string>

#include "base/error.h"
#include "model/architectures/registry.h"

namespace temper {
namespace {

constexpr const char* kSmall = R"("model_type":"modernbert","num_hidden_layers":4,"hidden_size":32,)"
                               R"("intermediate_size":40,"vocab_size":72)";

/// With four heads unless told otherwise.
ModelConfig small(const std::string& more) {
  const bool has_heads = more.find("num_attention_heads") != std::string::npos;
  return parse_model_config("{" + std::string(kSmall) + (has_heads ? "" : ",\"num_attention_heads\":4") + more + "}",
                            "");
}

std::string modernbert_definition(const std::string& more) {
  const ModelConfig config = small(more);
  return make_model(config, {HeadKind::sequence, 3})->definition();
}

void expect_modernbert_refused(const std::string& more, const std::string& part) {
  try {
    (void)modernbert_definition(more);
    ADD_FAILURE() << "took " << more;
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST(ModernBert, DefaultsAreThoseOfTransformers) {
  const ModelConfig config = parse_model_config(R"({"model_type":"modernbert"})", "");
  EXPECT_EQ(config.vocabulary_size, 50368);
  EXPECT_EQ(config.width, 768);
  EXPECT_EQ(config.layers, 22);
  EXPECT_EQ(config.heads, 12);
  EXPECT_EQ(config.intermediate_width, 1152);
  EXPECT_EQ(config.type_vocabulary_size, 0);
  EXPECT_EQ(config.longest_sequence, 8192);
  EXPECT_EQ(modernbert_definition(""),
            "modernbert of 4 heads, gelu, epsilon 1e-05, windows of 64, theta 160000 and 10000, layers global local "
            "local global");
}

TEST(ModernBert, OlderKeysMeanTheSame) {
  const std::string older =
      R"(,"global_rope_theta":5000.0,"local_rope_theta":70.0,"global_attn_every_n_layers":2,"local_attention":9,)"
      R"("position_embedding_type":"absolute")";
  const std::string newer =
      R"(,"rope_parameters":{"full_attention":{"rope_theta":5000.0,"rope_type":"default"},)"
      R"("sliding_attention":{"rope_theta":70.0,"rope_type":"default"}},"local_attention":8,)"
      R"("layer_types":["full_attention","sliding_attention","full_attention","sliding_attention"])";
  EXPECT_EQ(modernbert_definition(older), modernbert_definition(newer));
  EXPECT_NE(modernbert_definition(older), modernbert_definition(""));
}

TEST(ModernBert, LocalLayersWithoutAThetaTurnAsTheGlobalOnes) {
  EXPECT_EQ(modernbert_definition(R"(,"global_rope_theta":5000.0,"local_rope_theta":null)"),
            modernbert_definition(R"(,"global_rope_theta":5000.0,"local_rope_theta":5000.0)"));
  EXPECT_EQ(modernbert_definition(R"(,"local_rope_theta":null)"),
            modernbert_definition(R"(,"local_rope_theta":160000.0)"));
  const std::string own = R"(,"rope_parameters":{"sliding_attention":{"rope_theta":70.0,"rope_type":"default"}})";
  EXPECT_EQ(modernbert_definition(own + R"(,"local_rope_theta":null)"), modernbert_definition(own))
      << "release 5 has it elsewhere";
  expect_modernbert_refused(R"(,"global_rope_theta":null)", "\"global_rope_theta\" is null");
}

TEST(ModernBert, HasBiasesOnlyWhereItIsTold) {
  const auto find = [](const std::string& more, HeadKind kind, const std::string& name) {
    const ModelConfig config = small(more);
    return make_model(config, {kind, 3})->parameters().find(name) != nullptr;
  };
  const std::string all =
      R"(,"norm_bias":true,"attention_bias":true,"mlp_bias":true,"classifier_bias":true,"decoder_bias":false)";
  for (const char* name :
       {"model.layers.1.attn_norm.bias", "model.layers.0.attn.Wqkv.bias", "model.layers.0.attn.Wo.bias",
        "model.layers.3.mlp.Wi.bias", "model.layers.3.mlp.Wo.bias", "model.final_norm.bias",
        "model.embeddings.norm.bias", "head.dense.bias", "head.norm.bias"}) {
    EXPECT_TRUE(find(all, HeadKind::sequence, name)) << name;
    EXPECT_FALSE(find("", HeadKind::sequence, name)) << name;
  }
  EXPECT_TRUE(find("", HeadKind::masked_language_model, "decoder.bias"));
  EXPECT_FALSE(find(all, HeadKind::masked_language_model, "decoder.bias"));
  EXPECT_FALSE(find(all, HeadKind::sequence, "model.layers.0.attn_norm.weight")) << "the embeddings are normed already";
  EXPECT_TRUE(find(all, HeadKind::token, "classifier.bias"));
}

TEST(ModernBert, PoolsAsItIsTold) {
  const auto readout = [](const std::string& more) {
    const ModelConfig config = small(more);
    return make_model(config, {HeadKind::sequence, 3})->readout().tokens;
  };
  EXPECT_EQ(readout(""), ReadTokens::first);
  EXPECT_EQ(readout(R"(,"classifier_pooling":"mean")"), ReadTokens::mean);
  expect_modernbert_refused(R"(,"classifier_pooling":"max")", "\"classifier_pooling\" is \"max\"");
}

TEST(ModernBert, WhatCannotBeComputedIsRefused) {
  expect_modernbert_refused(R"(,"layer_types":["full_attention"])", "for each of 4 layers");
  expect_modernbert_refused(R"(,"layer_types":["full_attention","full_attention","linear_attention","full_attention"])",
                            "\"layer_types\"");
  expect_modernbert_refused(R"(,"rope_parameters":{"full_attention":{"rope_type":"yarn","factor":2.0}})",
                            "stretched contexts");
  expect_modernbert_refused(R"(,"rope_scaling":{"type":"linear","factor":2.0})", "stretched contexts");
  expect_modernbert_refused(R"(,"rope_parameters":{"full_attention":{"rope_theta":"much"}})", "\"rope_theta\"");
  expect_modernbert_refused(R"(,"rope_parameters":[])", "an object");
  expect_modernbert_refused(R"(,"rope_parameters":{"rope_theta":5000.0,"rope_type":"default"})", "\"rope_parameters\"");
  expect_modernbert_refused(R"(,"rope_parameters":{"full_attention":7})", "\"rope_parameters\"");
  expect_modernbert_refused(R"(,"layer_types":[])", "for each of 4 layers");
  expect_modernbert_refused(R"(,"decoder_bias":null)", "\"decoder_bias\" is null, expected true or false");
  expect_modernbert_refused(R"(,"num_attention_heads":32)", "heads of an even width");
  expect_modernbert_refused(R"(,"num_attention_heads":5)", "heads that divide the width");
}

}  // namespace
}  // namespace temper
