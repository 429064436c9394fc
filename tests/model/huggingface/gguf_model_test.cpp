#include "model/huggingface/gguf_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "base/error.h"
#include "model/gguf/gguf_writer.h"
#include "model/gguf/quantize.h"
#include "model/huggingface/config_keys.h"
#include "model/huggingface/gguf_export.h"
#include "model/huggingface/gguf_rope.h"
#include "model/huggingface/model_files.h"
#include "model/huggingface/weight_files.h"
#include "tests/model/huggingface/test_folder.h"
#include "tests/shared_data.h"

namespace temper {
namespace {

using Json = nlohmann::json;
using testing_support::TestFolder;

Json read_json(const std::filesystem::path& path) {
  std::ifstream file(path);
  return Json::parse(file);
}

std::string digest_of_values(const TensorView& tensor) {
  std::vector<float> values(static_cast<std::size_t>(element_count(tensor.shape).value()));
  to_f32(tensor, values);
  return sha256_hex(std::as_bytes(std::span(values)));
}

TEST(GgufModel, EveryTypeOfTheFixturesHasItsValues) {
  TEMPER_REQUIRE_SHARED(folder, "fixtures/gguf");
  const Json reference = read_json(folder / "reference.json");
  for (const auto& [type, file] : reference["files"].items()) {
    const std::filesystem::path path = folder / (type + ".gguf");
    const WeightFiles weights = WeightFiles::open(path);
    ASSERT_EQ(weights.names().size(), file["tensors"].size()) << type;
    for (const auto& [name, tensor] : file["tensors"].items()) {
      const TensorView* view = weights.find(name);
      ASSERT_NE(view, nullptr) << type << " " << name;
      EXPECT_EQ(view->shape, tensor["shape"].get<std::vector<std::int64_t>>()) << type << " " << name;
      EXPECT_EQ(type_name(*view), tensor["type"].get<std::string>());
      EXPECT_EQ(digest_of_values(*view), tensor["sha256_f32"].get<std::string>()) << type << " " << name;
    }
    const Json config = Json::parse(model_config_text(path));
    EXPECT_EQ(config["tie_word_embeddings"], file["tied"]) << type;
    EXPECT_EQ(config["hidden_size"], 256);
    EXPECT_EQ(config["head_dim"], 16);
    EXPECT_EQ(config["rms_norm_eps"], 1e-5);
  }
}

/// What the container, the configuration or the values of a file are refused with; empty where all can be read.
std::string refusal_of(const std::filesystem::path& path) {
  try {
    const Json config = Json::parse(model_config_text(path));
    const WeightFiles weights = WeightFiles::open(path);
    for (const std::string& name : weights.names()) digest_of_values(*weights.find(name));
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(GgufModel, HostileFilesAreRefused) {
  TEMPER_REQUIRE_SHARED(folder, "fixtures/gguf/hostile");
  // What the tokenizer, or the network that is made of the configuration, must see.
  const std::set<std::string> others = {"wrong-shape",  "missing-tensor",    "tokens-are-numbers",
                                        "fewer-tokens", "token-types-short", "end-token-out-of-range"};
  const Json files = read_json(folder / "expected.json");
  for (const auto& [name, expected] : files.items()) {
    const std::string refusal = refusal_of(folder / (name + ".gguf"));
    if (expected["expect"] == "refuse" && !others.contains(name)) {
      EXPECT_NE(refusal, "") << name;
    } else if (expected["expect"] == "accept") {
      EXPECT_EQ(refusal, "") << name;
    }
  }
}

/// Files that brought a fuzzed reader down once.
TEST(GgufModel, FilesOfTheFuzzerAreReadOrRefused) {
  const std::filesystem::path folder = testing_support::source_directory() / "tests/fuzz/gguf";
  std::error_code absent;
  for (const auto& file : std::filesystem::directory_iterator(folder, absent)) (void)refusal_of(file.path());
}

/// A tiny Llama's keys: 2 heads of 4 elements, one of keys.
GgufKeys llama_keys() {
  GgufKeys keys;
  keys.add_text("general.architecture", "llama");
  keys.add_u32("llama.context_length", 32);
  keys.add_u32("llama.embedding_length", 8);
  keys.add_u32("llama.block_count", 1);
  keys.add_u32("llama.feed_forward_length", 32);
  keys.add_u32("llama.attention.head_count", 2);
  keys.add_u32("llama.attention.head_count_kv", 1);
  keys.add_f32("llama.attention.layer_norm_rms_epsilon", 1e-6F);
  return keys;
}

/// Values 0, 1, 2, ... row by row.
GgufTensorToWrite counted(const std::string& name, std::vector<std::int64_t> shape) {
  return {name, shape, GgmlType::f32, [name, shape](std::vector<std::byte>& blocks) {
            std::vector<float> values(static_cast<std::size_t>(element_count(shape).value()));
            for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
            quantize(GgmlType::f32, values, name, blocks);
          }};
}

std::vector<float> first_of_rows(const WeightFiles& weights, const std::string& name) {
  const TensorView& tensor = *weights.find(name);
  std::vector<float> values(static_cast<std::size_t>(element_count(tensor.shape).value()));
  to_f32(tensor, values);
  std::vector<float> firsts;
  const std::size_t columns = values.size() / static_cast<std::size_t>(tensor.shape.front());
  for (std::size_t i = 0; i < values.size(); i += columns) firsts.push_back(values[i]);
  return firsts;
}

TEST(GgufModel, RowsOfQueriesAndKeysArePutBack) {
  const TestFolder folder;
  const std::filesystem::path path = folder.path() / "tiny.gguf";
  const std::vector<GgufTensorToWrite> tensors = {counted("token_embd.weight", {3, 8}),
                                                  counted("blk.0.attn_q.weight", {8, 1}),
                                                  counted("blk.0.attn_k.weight", {4, 1})};
  write_gguf(path, llama_keys(), tensors);
  const WeightFiles weights = WeightFiles::open(path);
  // The file holds the pairs (0, 2) and (1, 3) of each head side by side.
  EXPECT_EQ(first_of_rows(weights, "model.layers.0.self_attn.q_proj.weight"),
            (std::vector<float>{0, 2, 1, 3, 4, 6, 5, 7}));
  EXPECT_EQ(first_of_rows(weights, "model.layers.0.self_attn.k_proj.weight"), (std::vector<float>{0, 2, 1, 3}));
  EXPECT_TRUE(is_mappable_f32(*weights.find("model.embed_tokens.weight")));
}

TEST(GgufModel, ConfigurationSaysWhatTheMetadataSays) {
  const TestFolder folder;
  const std::filesystem::path path = folder.path() / "tiny.gguf";
  GgufKeys keys = llama_keys();
  keys.add_f32("llama.rope.freq_base", 500000.0F);
  keys.add_u32("tokenizer.ggml.eos_token_id", 2);
  const std::vector<GgufTensorToWrite> tensors = {counted("token_embd.weight", {3, 8}),
                                                  counted("blk.0.attn_q.bias", {8})};
  write_gguf(path, keys, tensors);
  const Json config = Json::parse(model_config_text(path));
  EXPECT_EQ(config["model_type"], "llama");
  EXPECT_EQ(config["architectures"], Json({"LlamaForCausalLM"}));
  EXPECT_EQ(config["vocab_size"], 3);
  EXPECT_EQ(config["rope_theta"], 500000.0);
  EXPECT_EQ(config["rms_norm_eps"], 1e-6);
  EXPECT_EQ(config["eos_token_id"], 2);
  EXPECT_EQ(config["attention_bias"], true);
  EXPECT_EQ(config["mlp_bias"], false);
  EXPECT_FALSE(config.contains("rope_scaling"));
}

TEST(GgufModel, PartsAreReadTogetherAndTheFirstIsAskedFor) {
  const TestFolder folder;
  const auto part = [&](const char* name, GgufKeys keys, std::uint32_t number, const GgufTensorToWrite& tensor) {
    keys.add_u32("split.no", number);
    keys.add_u32("split.count", 2);
    write_gguf(folder.path() / name, keys, std::span(&tensor, 1));
  };
  part("m-00001-of-00002.gguf", llama_keys(), 0, counted("token_embd.weight", {3, 8}));
  const std::filesystem::path first = folder.path() / "m-00001-of-00002.gguf";
  EXPECT_NE(refusal_of(first).find("m-00002-of-00002.gguf: no such file"), std::string::npos) << refusal_of(first);
  part("m-00002-of-00002.gguf", {}, 1, counted("output.weight", {3, 8}));
  EXPECT_EQ(refusal_of(first), "");
  EXPECT_EQ(WeightFiles::open(first).names().size(), 2U);
  EXPECT_EQ(model_files(first).weights.size(), 2U);
  EXPECT_EQ(Json::parse(model_config_text(first))["tie_word_embeddings"], false);
  const std::string refusal = refusal_of(folder.path() / "m-00002-of-00002.gguf");
  EXPECT_NE(refusal.find("m-00001-of-00002.gguf"), std::string::npos) << refusal;
}

/// A Hugging Face folder of the config alone.
std::filesystem::path source_with(const TestFolder& folder, const Json& config) {
  return folder.write("source/config.json", config.dump()).parent_path();
}

/// Export and reading are the inverse of one another, for each architecture's order of rows and factors.
void expect_round_trip(const Json& config, const std::map<std::string, std::vector<std::int64_t>>& shapes) {
  const TestFolder folder;
  const std::filesystem::path target = folder.path() / "out.gguf";
  std::map<std::string, std::vector<float>> values;
  std::vector<TensorToWrite> tensors;
  for (const auto& [name, shape] : shapes) {
    std::vector<float>& of_tensor = values[name];
    for (std::int64_t i = 0; i < element_count(shape).value(); ++i) of_tensor.push_back(static_cast<float>(i) / 64.0F);
    tensors.push_back({name, shape, of_tensor});
  }
  GgufExportRequest request;
  request.source = source_with(folder, config);
  request.target = target;
  request.name = "tiny";
  request.tensors = tensors;
  export_gguf(request);
  const WeightFiles weights = WeightFiles::open(target);
  for (const auto& [name, expected] : values) {
    const TensorView* view = weights.find(name);
    ASSERT_NE(view, nullptr) << name;
    EXPECT_EQ(view->shape, shapes.at(name)) << name;
    std::vector<float> read(expected.size());
    to_f32(*view, read);
    EXPECT_EQ(read, expected) << name;
  }
  const Json read = Json::parse(model_config_text(target));
  for (const auto& [key, value] : config.items()) EXPECT_EQ(read[key], value) << key << " of " << config["model_type"];
}

Json llama_config() {
  return {{"model_type", "llama"},    {"max_position_embeddings", 131072},
          {"hidden_size", 8},         {"num_hidden_layers", 1},
          {"intermediate_size", 12},  {"num_attention_heads", 2},
          {"num_key_value_heads", 1}, {"head_dim", 64},
          {"rms_norm_eps", 1e-5},     {"rope_theta", 500000.0}};
}

TEST(GgufExport, LlamaComesBackWithItsStretchedPositions) {
  Json config = llama_config();
  const std::map<std::string, std::vector<std::int64_t>> shapes = {{"model.embed_tokens.weight", {5, 8}},
                                                                   {"model.norm.weight", {8}},
                                                                   {"lm_head.weight", {5, 8}},
                                                                   {"model.layers.0.self_attn.q_proj.weight", {128, 8}},
                                                                   {"model.layers.0.self_attn.q_proj.bias", {128}},
                                                                   {"model.layers.0.self_attn.k_proj.weight", {64, 8}},
                                                                   {"model.layers.0.mlp.down_proj.weight", {8, 12}}};
  expect_round_trip(config, shapes);
  config["rope_scaling"] = {{"rope_type", "llama3"},
                            {"factor", 32.0},
                            {"low_freq_factor", 1.0},
                            {"high_freq_factor", 4.0},
                            {"original_max_position_embeddings", 8192}};
  expect_round_trip(config, shapes);
  config["rope_scaling"] = {{"rope_type", "linear"}, {"factor", 4.0}};
  expect_round_trip(config, shapes);
  config["rope_scaling"] = {{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 32768}};
  expect_round_trip(config, shapes);
}

/// The metadata of a Llama that is stretched so.
GgufRope rope_of(const Json& scaling) {
  nlohmann::ordered_json config(llama_config());
  config["rope_scaling"] = scaling;
  return gguf_rope_of(config, 64, "config.json");
}

/// llama.cpp multiplies YaRN's own factor, 0.1 ln(factor) + 1, by that of the file.
TEST(GgufExport, YarnSaysWhatItsFactorIsMultipliedBy) {
  const double own = 0.1 * std::log(4.0) + 1.0;
  EXPECT_FALSE(rope_of({{"rope_type", "yarn"}, {"factor", 4.0}}).attention_factor.has_value());
  const GgufRope given = rope_of({{"rope_type", "yarn"}, {"factor", 4.0}, {"attention_factor", 0.9}});
  EXPECT_NEAR(*given.attention_factor, 0.9 / own, 1e-12);
  EXPECT_NEAR(rope_scaling_of(given, "x.gguf")["attention_factor"].get<double>(), 0.9, 1e-12);
  const GgufRope scaled = rope_of({{"rope_type", "yarn"}, {"factor", 4.0}, {"mscale", 1.2}, {"mscale_all_dim", 0.7}});
  const double expected = (0.12 * std::log(4.0) + 1.0) / (0.07 * std::log(4.0) + 1.0);
  EXPECT_NEAR(rope_scaling_of(scaled, "x.gguf")["attention_factor"].get<double>(), expected, 1e-12);
  // Without a factor it is the ratio of the lengths.
  EXPECT_EQ(rope_of({{"rope_type", "yarn"}, {"original_max_position_embeddings", 32768}}).factor, 4.0);
  EXPECT_THROW(rope_of({{"rope_type", "yarn"}, {"factor", 4.0}, {"truncate", false}}), Error);
}

/// llama.cpp has no rule for LongRoPE's factor.
TEST(GgufExport, LongropeSaysItsFactor) {
  const std::vector<float> pairs(32, 2.0F);
  const GgufRope rope = rope_of({{"rope_type", "longrope"},
                                 {"short_factor", pairs},
                                 {"long_factor", pairs},
                                 {"original_max_position_embeddings", 4096}});
  EXPECT_NEAR(*rope.attention_factor, std::sqrt(1.0 + std::log(32.0) / std::log(4096.0)), 1e-12);
  EXPECT_EQ(rope.original_length, 4096);
  EXPECT_EQ(rope.long_factors, pairs);
}

TEST(GgufModel, FactorsOfFrequenciesAreNoWeights) {
  const TestFolder folder;
  const std::filesystem::path path = folder.path() / "tiny.gguf";
  const std::vector<GgufTensorToWrite> tensors = {counted("token_embd.weight", {3, 8}),
                                                  counted("rope_freqs.weight", {2})};
  write_gguf(path, llama_keys(), tensors);
  EXPECT_EQ(WeightFiles::open(path).names(), (std::vector<std::string>{"model.embed_tokens.weight"}));
}

TEST(GgufModel, EverythingThatEndsAnAnswerIsAnEndToken) {
  const TestFolder folder;
  const std::filesystem::path path = folder.path() / "tiny.gguf";
  GgufKeys keys = llama_keys();
  keys.add_u32("tokenizer.ggml.eot_token_id", 1);
  const std::vector<GgufTensorToWrite> tensors = {counted("token_embd.weight", {3, 8})};
  write_gguf(path, keys, tensors);
  EXPECT_EQ(Json::parse(model_config_text(path))["eos_token_id"], 1);
  keys.add_u32("tokenizer.ggml.eos_token_id", 2);
  keys.add_u32("tokenizer.ggml.eom_token_id", 1);
  write_gguf(path, keys, tensors);
  EXPECT_EQ(Json::parse(model_config_text(path))["eos_token_id"], (Json{2, 1}));
}

TEST(GgufExport, OtherOrdersOfRowsComeBack) {
  expect_round_trip({{"model_type", "gpt_neox"},
                     {"max_position_embeddings", 64},
                     {"hidden_size", 8},
                     {"num_hidden_layers", 1},
                     {"intermediate_size", 16},
                     {"num_attention_heads", 2},
                     {"layer_norm_eps", 1e-5},
                     {"use_parallel_residual", false},
                     {"rotary_pct", 0.5}},
                    {{"gpt_neox.embed_in.weight", {5, 8}},
                     {"gpt_neox.layers.0.attention.query_key_value.weight", {24, 8}},
                     {"gpt_neox.layers.0.attention.query_key_value.bias", {24}}});
  expect_round_trip({{"model_type", "gpt2"},
                     {"n_positions", 64},
                     {"n_embd", 8},
                     {"n_layer", 1},
                     {"n_inner", 16},
                     {"n_head", 2},
                     {"layer_norm_epsilon", 1e-5}},
                    {{"transformer.wte.weight", {5, 8}},
                     {"transformer.wpe.weight", {64, 8}},
                     {"transformer.h.0.attn.c_attn.weight", {8, 24}},
                     {"transformer.h.0.attn.c_attn.bias", {24}}});
  expect_round_trip({{"model_type", "gemma3_text"},
                     {"max_position_embeddings", 64},
                     {"hidden_size", 8},
                     {"num_hidden_layers", 1},
                     {"intermediate_size", 16},
                     {"num_attention_heads", 2},
                     {"num_key_value_heads", 1},
                     {"head_dim", 4},
                     {"rms_norm_eps", 1e-6},
                     {"sliding_window", 16},
                     {"query_pre_attn_scalar", 4},
                     {"rope_local_base_freq", 10000.0}},
                    {{"model.embed_tokens.weight", {5, 8}},
                     {"model.layers.0.self_attn.q_norm.weight", {4}},
                     {"model.layers.0.pre_feedforward_layernorm.weight", {8}}});
}

TEST(GgufExport, WhatGgufCannotSayIsRefused) {
  const TestFolder folder;
  Json config = llama_config();
  config["hidden_act"] = "relu";
  EXPECT_THROW(require_gguf_export(source_with(folder, config)), Error);
  config = llama_config();
  config["model_type"] = "bert";
  EXPECT_THROW(require_gguf_export(source_with(folder, config)), Error);
  config["model_type"] = "gpt2";
  config["scale_attn_by_inverse_layer_idx"] = true;
  EXPECT_THROW(require_gguf_export(source_with(folder, config)), Error);
  for (const char* model_type : {"gemma2", "cohere"}) {
    config = llama_config();
    config["model_type"] = model_type;
    EXPECT_NO_THROW(require_gguf_export(source_with(folder, config)));
    config["tie_word_embeddings"] = false;  // llama.cpp has no head of these
    EXPECT_THROW(require_gguf_export(source_with(folder, config)), Error);
  }
  config = llama_config();
  const std::filesystem::path source = source_with(folder, config);
  require_gguf_export(source);
  const std::vector<float> values(16, 1.0F);
  const TensorToWrite head{"score.weight", {2, 8}, values};
  GgufExportRequest request;
  request.source = source;
  request.target = folder.path() / "out.gguf";
  request.tensors = std::span(&head, 1);
  EXPECT_THROW(export_gguf(request), Error);
  EXPECT_FALSE(std::filesystem::exists(request.target));
}

}  // namespace
}  // namespace temper
