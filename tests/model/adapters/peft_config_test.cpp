// adapter_config.json: what is read, and what is refused because it is not computed.
#include "model/adapters/peft_config.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace temper {
namespace {

PeftConfig parse(const std::string& members) {
  return parse_peft_config(R"({"peft_type": "LORA", "target_modules": ["q_proj"], "r": 4)" + members + "}", "a.json");
}

std::string refusal(const std::string& members) {
  try {
    (void)parse(members);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(PeftConfig, TheLeastHasPeftsDefaults) {
  const PeftConfig config = parse_peft_config(R"({"peft_type": "LORA", "target_modules": "all-Linear"})", "a.json");
  EXPECT_EQ(config.settings.rank, 8);
  EXPECT_EQ(config.settings.alpha, 8.0);
  EXPECT_EQ(config.settings.preset, TargetPreset::all_linear);
  EXPECT_EQ(config.settings.bias, LoraBias::none);
  EXPECT_FALSE(config.settings.dora);
}

TEST(PeftConfig, KeysAreRead) {
  const PeftConfig config =
      parse(R"(, "lora_alpha": 2.5, "lora_dropout": 0.1, "bias": "lora_only", "use_rslora": true, "use_dora": true,
               "modules_to_save": ["classifier"], "rank_pattern": {"b": 2, "a": 3}, "layers_to_transform": 7,
               "layers_pattern": "h", "exclude_modules": "x.*", "base_model_name_or_path": "models/base",
               "task_type": "SEQ_CLS", "init_lora_weights": "gaussian", "fan_in_fan_out": true)");
  EXPECT_EQ(config.settings.alpha, 2.5);
  EXPECT_EQ(config.settings.dropout, 0.1);
  EXPECT_EQ(config.settings.bias, LoraBias::lora_only);
  EXPECT_TRUE(config.settings.rslora && config.settings.dora);
  EXPECT_EQ(config.settings.modules_to_save, std::vector<std::string>{"classifier"});
  EXPECT_EQ(config.settings.rank_pattern.front().first, "b") << "in the order of the file, for the first counts";
  EXPECT_EQ(config.settings.layers, std::vector<std::int64_t>{7});
  EXPECT_TRUE(config.settings.excluded.is_pattern);
  EXPECT_FALSE(config.settings.targets.is_pattern);
  EXPECT_EQ(config.base_model, "models/base");
}

TEST(PeftConfig, WhatIsNotComputedIsRefusedByName) {
  for (const char* key :
       {"\"lora_bias\": true", "\"trainable_token_indices\": [1]", "\"target_parameters\": [\"w\"]",
        "\"layer_replication\": [[0, 1]]", "\"use_qalora\": true", "\"use_bdlora\": {\"a\": 1}",
        "\"alora_invocation_tokens\": [3]", "\"megatron_config\": {\"a\": 1}", "\"something_new\": \"yes\""}) {
    const std::string message = refusal(std::string(", ") + key);
    const std::string name = std::string(key).substr(0, std::string(key).find(':'));
    EXPECT_NE(message.find(name), std::string::npos) << message;
    EXPECT_NE(message.find("not computed here"), std::string::npos) << message;
  }
  EXPECT_EQ(refusal(R"(, "something_new": null, "other": false, "more": {}, "none": "")"), "");
  for (const char* name : {"pissa", "pissa_niter_4", "olora", "corda", "loftq", "lora_ga"})
    EXPECT_NE(refusal(std::string(R"(, "init_lora_weights": ")") + name + '"').find("change the weights of the base"),
              std::string::npos);
  EXPECT_THROW((void)parse_peft_config(R"({"peft_type": "IA3"})", "a.json"), Error);
}

TEST(PeftConfig, ATaskTypeIsAHead) {
  EXPECT_EQ(head_kind_of("SEQ_CLS", "a.json"), HeadKind::sequence);
  EXPECT_EQ(head_kind_of("TOKEN_CLS", "a.json"), HeadKind::token);
  EXPECT_EQ(head_kind_of("CAUSAL_LM", "a.json"), HeadKind::causal_language_model);
  EXPECT_EQ(head_kind_of("", "a.json"), std::nullopt);
  EXPECT_EQ(head_kind_of("FEATURE_EXTRACTION", "a.json"), std::nullopt);
  for (const char* other : {"QUESTION_ANS", "SEQ_2_SEQ_LM", "seq_cls"})
    EXPECT_THROW((void)head_kind_of(other, "a.json"), Error) << other;
}

TEST(PeftConfig, ValuesOfAnotherTypeOrOutOfRangeAreRefused) {
  for (const char* member :
       {R"("lora_alpha": "8")", R"("lora_dropout": 1.0)", R"("lora_dropout": -0.1)", R"("use_dora": 1)",
        R"("bias": "some")", R"("modules_to_save": [1])", R"("rank_pattern": {"a": 0})", R"("rank_pattern": [1])",
        R"("rank_pattern": {"a": 2.5})", R"("rank_pattern": {"a": 70000})", R"("rank_pattern": {"a": "2"})",
        R"("alpha_pattern": {"a": -1})", R"("layers_to_transform": 1.5)", R"("layers_to_transform": [-1])",
        R"("layers_to_transform": ["a"])"})
    EXPECT_NE(refusal(std::string(", ") + member).find("a.json"), std::string::npos) << member;
  for (const char* text : {R"({"peft_type": "LORA", "target_modules": ["a"], "r": 0})",
                           R"({"peft_type": "LORA", "target_modules": ["a"], "r": 1e9})",
                           R"({"peft_type": "LORA", "target_modules": ["a"], "r": 8.5})",
                           R"({"peft_type": "LORA", "target_modules": ["a"], "r": true})",
                           R"({"peft_type": "LORA", "target_modules": ["a"], "r": "8"})",
                           R"({"peft_type": "LORA", "target_modules": []})", R"({"peft_type": "LORA"})", "[]", "{"})
    EXPECT_THROW((void)parse_peft_config(text, "a.json"), Error) << text;
}

}  // namespace
}  // namespace temper
