// What is read of the configurations of decoders with rotary positions, in the form of release 5 and in that of the
// models on hubs, and what is refused.
#include <gtest/gtest.h>

#include <string>

#include "base/error.h"
#include "model/architectures/registry.h"

namespace temper {
namespace {

constexpr const char* kSizes = R"("num_hidden_layers":4,"hidden_size":32,"intermediate_size":40,"vocab_size":72,)"
                               R"("num_attention_heads":4,"max_position_embeddings":64)";

ModelConfig decoder_config(const std::string& type, const std::string& more) {
  const bool has_key_heads = more.find("num_key_value_heads") != std::string::npos;
  return parse_model_config(
      "{\"model_type\":\"" + type + "\"," + kSizes + (has_key_heads ? "" : R"(,"num_key_value_heads":4)") + more + "}",
      "");
}

std::string definition(const std::string& type, const std::string& more) {
  return make_model(decoder_config(type, more), {HeadKind::sequence, 3})->definition();
}

void expect_decoder_refused(const std::string& type, const std::string& more, const std::string& part) {
  try {
    (void)definition(type, more);
    ADD_FAILURE() << "took " << more;
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST(Decoders, DefaultsAreThoseOfTransformers) {
  const ModelConfig llama = parse_model_config(R"({"model_type":"llama"})", "");
  EXPECT_EQ(llama.vocabulary_size, 32000);
  EXPECT_EQ(llama.width, 4096);
  EXPECT_EQ(llama.intermediate_width, 11008);
  EXPECT_EQ(llama.layers, 32);
  EXPECT_EQ(llama.longest_sequence, 2048);
  EXPECT_EQ(parse_model_config(R"({"model_type":"gemma3_text"})", "").longest_sequence, 131072);
  EXPECT_EQ(parse_model_config(R"({"model_type":"gpt_neox"})", "").heads, 64);
}

TEST(Decoders, OlderKeysMeanTheSame) {
  EXPECT_EQ(definition("llama", R"(,"rope_theta":500.0,"rope_scaling":{"type":"linear","factor":2.0})"),
            definition("llama", R"(,"rope_parameters":{"rope_type":"linear","factor":2.0,"rope_theta":500.0})"));
  EXPECT_EQ(definition("llama", R"(,"rope_scaling":null,"rope_theta":500.0)"),
            definition("llama", R"(,"rope_parameters":{"rope_type":"default","rope_theta":500.0})"));
  EXPECT_EQ(definition("gpt_neox", R"(,"rotary_pct":0.5,"rotary_emb_base":99)"),
            definition("gpt_neox", R"(,"rope_parameters":{"partial_rotary_factor":0.5,"rope_theta":99})"));
  EXPECT_EQ(definition("gemma3_text", R"(,"rope_theta":5e5,"rope_local_base_freq":77.0,"sliding_window_pattern":2,)"
                                      R"("rope_scaling":{"rope_type":"linear","factor":8.0})"),
            definition("gemma3_text",
                       R"(,"rope_parameters":{"full_attention":{"rope_type":"linear","factor":8.0,"rope_theta":5e5},)"
                       R"("sliding_attention":{"rope_type":"default","rope_theta":77.0}},"layer_types":)"
                       R"(["sliding_attention","full_attention","sliding_attention","full_attention"])"));
  const std::string factors = R"("short_factor":[1,1,2,2],"long_factor":[2,3,4,5]})";
  EXPECT_EQ(definition("phi3", R"(,"original_max_position_embeddings":8,"rope_scaling":{"type":"su",)" + factors),
            definition("phi3", R"(,"rope_parameters":{"rope_type":"longrope","original_max_position_embeddings":8,)" +
                                   factors));
  EXPECT_EQ(definition("smollm3", ""), definition("smollm3", R"(,"no_rope_layers":[1,1,1,0])"));
  EXPECT_EQ(definition("qwen2", R"(,"use_sliding_window":true,"sliding_window":9,"max_window_layers":3)"),
            definition("qwen2", R"(,"use_sliding_window":true,"sliding_window":9,"layer_types":)"
                                R"(["full_attention","full_attention","full_attention","sliding_attention"])"));
}

TEST(Decoders, DefinitionsTellWhatIsComputedApart) {
  for (const char* more : {R"(,"rope_theta":5.0)", R"(,"rms_norm_eps":1e-3)", R"(,"hidden_act":"gelu")",
                           R"(,"num_key_value_heads":2)", R"(,"rope_scaling":{"type":"dynamic","factor":2.0})"})
    EXPECT_NE(definition("llama", more), definition("llama", "")) << more;
  EXPECT_NE(definition("mistral", R"(,"sliding_window":4)"), definition("mistral", R"(,"sliding_window":null)"));
  EXPECT_NE(definition("gemma2", R"(,"attn_logit_softcapping":4.0)"), definition("gemma2", ""));
}

TEST(Decoders, DynamicScalingMakesTheLongestTextLonger) {
  EXPECT_EQ(decoder_config("llama", R"(,"rope_scaling":{"type":"dynamic","factor":2.5})").longest_sequence, 160);
  EXPECT_EQ(decoder_config("llama", R"(,"rope_scaling":{"type":"linear","factor":2.5})").longest_sequence, 64);
}

TEST(Decoders, WhatCannotBeComputedIsRefused) {
  expect_decoder_refused("llama", R"(,"rope_scaling":{"rope_type":"mrope","factor":2.0})", "\"mrope\"");
  expect_decoder_refused("llama", R"(,"rope_scaling":{"type":"linear"})", "\"factor\"");
  expect_decoder_refused("llama",
                         R"(,"rope_scaling":{"type":"llama3","factor":2.0,"low_freq_factor":4.0,)"
                         R"("high_freq_factor":1.0})",
                         "high_freq_factor");
  expect_decoder_refused("llama", R"(,"rope_scaling":5)", "rope_scaling");
  expect_decoder_refused("llama", R"(,"head_dim":7)", "columns");
  expect_decoder_refused("llama", R"(,"num_key_value_heads":3)", "num_key_value_heads");
  expect_decoder_refused("llama", R"(,"quantization_config":{"quant_method":"gptq"})", "quantization_config");
  expect_decoder_refused("phi3", R"(,"rope_scaling":{"type":"longrope","short_factor":[1,1],"long_factor":[1,1,1,1]})",
                         "short_factor");
  expect_decoder_refused("gemma2", R"(,"use_bidirectional_attention":true)", "use_bidirectional_attention");
  expect_decoder_refused("qwen3",
                         R"(,"layer_types":["full_attention","chunked_attention","full_attention","full_attention"])",
                         "layer_types");
  expect_decoder_refused("qwen2",
                         R"(,"layer_types":["full_attention","sliding_attention","full_attention","full_attention"])",
                         "use_sliding_window");
  expect_decoder_refused("smollm3", R"(,"no_rope_layers":[1,2,1,0])", "no_rope_layers");
  expect_decoder_refused("qwen3_moe", "", "is not supported");
}

TEST(Decoders, HeadsAreThoseOfTransformers) {
  const auto classes = [](const std::string& type, HeadKind kind) {
    return make_model(decoder_config(type, ""), {kind, 3})->class_name();
  };
  EXPECT_EQ(classes("llama", HeadKind::causal_language_model), "LlamaForCausalLM");
  EXPECT_EQ(classes("gpt_neox", HeadKind::causal_language_model), "GPTNeoXForCausalLM");
  EXPECT_EQ(classes("gemma3_text", HeadKind::causal_language_model), "Gemma3ForCausalLM");
  EXPECT_EQ(classes("gemma3_text", HeadKind::sequence), "Gemma3TextForSequenceClassification");
  EXPECT_EQ(classes("qwen3", HeadKind::token), "Qwen3ForTokenClassification");
  EXPECT_THROW((void)classes("olmo2", HeadKind::token), Error);
}

}  // namespace
}  // namespace temper
