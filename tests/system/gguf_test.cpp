// Whole runs from a GGUF file and to one.
#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <nlohmann/json.hpp>
#include <random>

#include "model/gguf/gguf_writer.h"
#include "model/gguf/quantize.h"
#include "model/huggingface/weight_files.h"
#include "tests/shared_data.h"
#include "tests/system/precisions.h"
#include "tests/system/tiny_run.h"

namespace temper::system_tests {
namespace {

using Json = nlohmann::json;

constexpr std::uint32_t kWidth = 32;
constexpr std::uint32_t kPositions = 64;
constexpr std::uint32_t kLayers = 2;

/// A GPT-2 with random weights that knows the letters of the tiny data and the blank.
void write_tiny_gguf(const std::filesystem::path& path) {
  std::vector<std::string> tokens{"<|end|>", "\u0120", ".", ",", "th", "\u0120t"};
  for (char c = 'a'; c <= 'z'; ++c) tokens.emplace_back(1, c);
  std::vector<std::int32_t> types(tokens.size(), 1);
  types.front() = 3;
  GgufKeys keys;
  keys.add_text("general.architecture", "gpt2");
  keys.add_u32("gpt2.context_length", kPositions);
  keys.add_u32("gpt2.embedding_length", kWidth);
  keys.add_u32("gpt2.block_count", kLayers);
  keys.add_u32("gpt2.feed_forward_length", 2 * kWidth);
  keys.add_u32("gpt2.attention.head_count", 2);
  keys.add_f32("gpt2.attention.layer_norm_epsilon", 1e-5F);
  keys.add_text("tokenizer.ggml.model", "gpt2");
  keys.add_text("tokenizer.ggml.pre", "gpt-2");
  keys.add_texts("tokenizer.ggml.tokens", tokens);
  keys.add_i32s("tokenizer.ggml.token_type", types);
  keys.add_texts("tokenizer.ggml.merges", std::vector<std::string>{"t h", "\u0120 t"});
  keys.add_u32("tokenizer.ggml.eos_token_id", 0);
  keys.add_text("tokenizer.chat_template", "{{ messages[0].content }}");

  std::vector<GgufTensorToWrite> tensors;
  std::mt19937 random(5);
  const auto add = [&](const std::string& name, std::vector<std::int64_t> shape, float mean, float spread) {
    std::normal_distribution<float> normal(mean, spread);
    std::int64_t count = 1;
    for (const std::int64_t extent : shape) count *= extent;
    std::vector<float> values;
    for (std::int64_t i = 0; i < count; ++i) values.push_back(normal(random));
    const GgmlType type = shape.size() == 2 && name != "position_embd.weight" ? GgmlType::q8_0 : GgmlType::f32;
    tensors.push_back({name, shape, type,
                       [values, type, name](std::vector<std::byte>& blocks) { quantize(type, values, name, blocks); }});
  };
  const auto add_layer = [&](const std::string& name, std::int64_t rows, std::int64_t columns) {
    add(name + ".weight", {rows, columns}, 0.0F, 0.05F);
    add(name + ".bias", {rows}, 0.0F, 0.02F);
  };
  const auto add_norm = [&](const std::string& name) {
    add(name + ".weight", {kWidth}, 1.0F, 0.1F);
    add(name + ".bias", {kWidth}, 0.0F, 0.1F);
  };
  add("token_embd.weight", {static_cast<std::int64_t>(tokens.size()), kWidth}, 0.0F, 0.1F);
  add("position_embd.weight", {kPositions, kWidth}, 0.0F, 0.1F);
  for (std::uint32_t layer = 0; layer < kLayers; ++layer) {
    const std::string block = "blk." + std::to_string(layer) + ".";
    add_norm(block + "attn_norm");
    add_layer(block + "attn_qkv", 3 * kWidth, kWidth);
    add_layer(block + "attn_output", kWidth, kWidth);
    add_norm(block + "ffn_norm");
    add_layer(block + "ffn_up", 2 * kWidth, kWidth);
    add_layer(block + "ffn_down", kWidth, 2 * kWidth);
  }
  add_norm("output_norm");
  write_gguf(path, keys, tensors);
}

class Gguf : public TinyRun {
 protected:
  void SetUp() override {
    TinyRun::SetUp();
    write_tiny_gguf(path("base.gguf"));
  }
  [[nodiscard]] Outcome temper(const std::vector<std::string>& arguments) const {
    Invocation invocation;
    invocation.arguments = arguments;
    invocation.folder = folder_;
    return run(invocation);
  }
  [[nodiscard]] Json report(const std::vector<std::string>& arguments) const {
    const Outcome outcome = temper(arguments);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return Json::parse(outcome.last_line(), nullptr, /*allow_exceptions=*/false);
  }
  [[nodiscard]] double loss_of(const std::string& model) const {
    const Json json = report({"eval", model, "data/test.csv", "--json", "--max-length", "32"});
    EXPECT_TRUE(json.contains("loss")) << json.dump();
    return json.value("loss", -1.0);
  }
};

TEST_F(Gguf, InspectTellsWhatItHolds) {
  const Json json = report({"inspect", "base.gguf", "--tensors", "--json"});
  EXPECT_EQ(json["kind"], "gguf");
  EXPECT_EQ(json["model_type"], "gpt2");
  EXPECT_EQ(json["layers"], kLayers);
  EXPECT_EQ(json["width"], kWidth);
  bool found = false;
  for (const Json& tensor : json["tensors"])
    if (tensor["name"] == "transformer.h.1.attn.c_attn.weight") {
      EXPECT_EQ(tensor["type"], "Q8_0");
      EXPECT_EQ(tensor["shape"], (Json{kWidth, 3 * kWidth}));
      found = true;
    }
  EXPECT_TRUE(found);
}

TEST_F(Gguf, RunsBeginFromOneAndEndInOne) {
  const Outcome trained =
      train("out", {"model.path=\"base.gguf\"", "model.task=\"causal-lm\"", "train.epochs=1", "checkpoint.keep=1"});
  ASSERT_EQ(trained.status, 0) << trained.err;
  std::string checkpoint;
  for (const auto& file : std::filesystem::directory_iterator(path("out/checkpoints"))) checkpoint = file.path();
  ASSERT_EQ(temper({"export", checkpoint, "-o", "folder"}).status, 0);
  const double loss = loss_of("folder");
  EXPECT_LT(loss, loss_of("base.gguf"));
  for (const char* type : {"F32", "BF16", "Q8_0", "q4_0"}) {
    const std::string file = std::string(type) + ".gguf";
    const Outcome exported = temper({"export", checkpoint, "--gguf", type, "-o", file});
    ASSERT_EQ(exported.status, 0) << exported.err;
    const double of_file = loss_of(file);
    const double allowed = file == "F32.gguf" ? 0.0 : file == "q4_0.gguf" ? 0.1 : 0.01;
    EXPECT_NEAR(of_file, loss, allowed) << type;
  }
  const Json config = Json::parse(read(path("out/model/tokenizer_config.json")));
  EXPECT_EQ(config["chat_template"], "{{ messages[0].content }}");
}

TEST_F(Gguf, AModelThatIsThereIsWrittenAsOneToo) {
  const std::string task = "model.task=\"causal-lm\"";
  const Outcome trained = train("out", {"model.path=\"base.gguf\"", task, "train.epochs=1"});
  ASSERT_EQ(trained.status, 0) << trained.err;
  // What transformers takes for granted is written: the norms' 1e-5.
  Json config = Json::parse(read(path("out/model/config.json")));
  ASSERT_EQ(config.erase("layer_norm_epsilon"), 1U);
  write("out/model/config.json", config.dump());
  ASSERT_EQ(temper({"export", "out/model", "--gguf", "F32", "-o", "folder.gguf"}).status, 0);
  EXPECT_EQ(loss_of("folder.gguf"), loss_of("out/model"));
  // Of a quantised file, the values that it stands for.
  ASSERT_EQ(temper({"export", "base.gguf", "--gguf", "F32", "-o", "wide.gguf"}).status, 0);
  EXPECT_EQ(loss_of("wide.gguf"), loss_of("base.gguf"));

  const auto refusal = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "export");
    const Outcome outcome = temper(arguments);
    EXPECT_NE(outcome.status, 0);
    return outcome.err;
  };
  // Nothing that is no GGUF file gives way to one.
  write("notes.txt", "mine");
  EXPECT_NE(refusal({"out/model", "--gguf", "F32", "-o", "notes.txt"}).find("is there and no GGUF file"),
            std::string::npos);
  EXPECT_EQ(read(path("notes.txt")), "mine");
  EXPECT_EQ(temper({"export", "out/model", "--gguf", "F32", "-o", "folder.gguf"}).status, 0) << "again";
  EXPECT_NE(refusal({"out/model", "-o", "again"}).find("is a model, which needs no export"), std::string::npos);
  EXPECT_NE(refusal({"out/model", "--merge", "--gguf", "F32", "-o", "x.gguf"}).find("leave --merge out"),
            std::string::npos);
  ASSERT_EQ(train("classes", {"train.epochs=1"}).status, 0);
  EXPECT_NE(refusal({"classes/model", "--gguf", "F32", "-o", "x.gguf"}).find("causal language models alone"),
            std::string::npos);
}

TEST_F(Gguf, TwoRanksHaveTheSameBits) {
  const std::vector<std::string> settings{"model.path=\"base.gguf\"", "model.task=\"causal-lm\"", "train.epochs=1",
                                          "train.grains=2"};
  ASSERT_EQ(train("one", settings).status, 0);
  const Outcome two = train("two", settings, 2);
  ASSERT_EQ(two.status, 0) << two.err;
  EXPECT_EQ(weights("one"), weights("two"));
}

/// The weights of base.gguf in f32, in a Hugging Face folder.
void write_wide(const std::filesystem::path& gguf, const std::filesystem::path& folder) {
  const WeightFiles files = WeightFiles::open(gguf);
  std::deque<std::vector<float>> values;
  std::vector<TensorToWrite> tensors;
  for (const std::string& name : files.names()) {
    const TensorView& view = *files.find(name);
    to_f32(view, values.emplace_back(static_cast<std::size_t>(*element_count(view.shape))));
    tensors.push_back({name, view.shape, values.back()});
  }
  write_safetensors(folder / "model.safetensors", tensors, {{"format", "pt"}});
}

TEST_F(Gguf, QuantisedWeightsAreReadAsTheyLie) {
  const std::string task = "model.task=\"causal-lm\"";
  const auto of = [](const std::string& model) { return "model.path=\"" + model + "\""; };
  // A run's model has the other files of a folder.
  ASSERT_EQ(train("any", {of("base.gguf"), task, "train.epochs=1"}).status, 0);
  std::filesystem::rename(path("any") / "model", path("wide"));
  write_wide(path("base.gguf"), path("wide"));

  for (const std::string& precision : precisions_here()) {
    const auto answers = [&](const std::string& model, int ranks) {
      Invocation invocation;
      invocation.arguments = {"generate",         model, "the text",    "a",      "so it", "--json",
                              "--max-new-tokens", "40",  "--precision", precision};
      invocation.ranks = ranks;
      invocation.folder = folder_;
      const Outcome outcome = run(invocation);
      EXPECT_EQ(outcome.status, 0) << outcome.err;
      return outcome.out;
    };
    const std::string expected = answers("wide", 0);
    EXPECT_EQ(answers("base.gguf", 0), expected) << precision;
    EXPECT_EQ(answers("base.gguf", 2), expected) << precision;
  }
  EXPECT_EQ(loss_of("base.gguf"), loss_of("wide"));

  const auto trained = [&](const std::string& output, const std::string& model, std::vector<std::string> overrides,
                           const std::string& file, int ranks) {
    overrides.insert(overrides.end(), {of(model), task, "train.epochs=1", "train.grains=2"});
    const Outcome outcome = train(output, overrides, ranks);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    // Behind the header, which names the base model by its digest.
    const std::string all = read(path(output) / "model" / file);
    std::uint64_t header = 0;
    if (all.size() < sizeof(header)) return std::string();
    std::memcpy(&header, all.data(), sizeof(header));
    return all.substr(sizeof(header) + header);
  };
  const std::vector<std::string> lora{"lora.rank=4", "lora.alpha=8"};
  const std::string adapter = trained("lora-wide", "wide", lora, "adapter_model.safetensors", 0);
  EXPECT_FALSE(adapter.empty());
  EXPECT_EQ(trained("lora", "base.gguf", lora, "adapter_model.safetensors", 0), adapter);
  EXPECT_EQ(trained("lora-two", "base.gguf", lora, "adapter_model.safetensors", 2), adapter);
  const std::vector<std::string> frozen{"tuning.freeze=[\"wte\", \"wpe\", \"h.0\"]"};
  EXPECT_EQ(trained("frozen", "base.gguf", frozen, "model.safetensors", 2),
            trained("frozen-wide", "wide", frozen, "model.safetensors", 0));
  // What is trained by and by, in f32 from its values in the file.
  const std::vector<std::string> phases{
      "tuning.phases=[{ freeze = [\"wte\", \"wpe\", \"h.0\"], epochs = 1 }, { freeze = [], epochs = 1 }]"};
  EXPECT_EQ(trained("phases", "base.gguf", phases, "model.safetensors", 2),
            trained("phases-wide", "wide", phases, "model.safetensors", 0));
}

TEST_F(Gguf, APlanCountsQuantisedWeightsAsTheyLie) {
  ASSERT_EQ(train("any", {"model.path=\"base.gguf\"", "model.task=\"causal-lm\"", "train.epochs=1"}).status, 0);
  std::filesystem::rename(path("any") / "model", path("wide"));
  write_wide(path("base.gguf"), path("wide"));
  const auto parameters = [&](const std::string& model) {
    const Json plan = report({"plan", "run.toml", "--json", "--set", "model.path=\"" + model + "\"", "--set",
                              "model.task=\"causal-lm\"", "--set", "lora.rank=4"});
    return plan["phases"][0]["memory_bytes"]["parameters"].get<std::int64_t>();
  };
  // The adapters' arena is the same, in whole chunks; of the base, matrices of blocks are a quarter as large.
  const auto base = static_cast<std::int64_t>(std::filesystem::file_size(path("wide") / "model.safetensors"));
  EXPECT_GT(parameters("wide") - parameters("base.gguf"), base / 2);
}

TEST_F(Gguf, WhatCannotBeWrittenIsRefused) {
  ASSERT_EQ(train("out", {"train.epochs=1"}).status, 0);  // a BERT
  std::string checkpoint;
  for (const auto& file : std::filesystem::directory_iterator(path("out/checkpoints"))) checkpoint = file.path();
  const Outcome classifier = temper({"export", checkpoint, "--gguf", "F32", "-o", "x.gguf"});
  EXPECT_NE(classifier.status, 0);
  EXPECT_NE(classifier.err.find("causal language models"), std::string::npos) << classifier.err;
  const Outcome type = temper({"export", checkpoint, "--gguf", "Q4_K", "-o", "x.gguf"});
  EXPECT_EQ(type.status, 2);
  EXPECT_NE(type.err.find("Q8_0"), std::string::npos) << type.err;
  EXPECT_FALSE(std::filesystem::exists(path("x.gguf")));
}

TEST_F(Gguf, HostileFilesAreRefusedAtOnce) {
  TEMPER_REQUIRE_SHARED(hostile, "fixtures/gguf/hostile");
  const Json expected = Json::parse(read(hostile / "expected.json"));
  for (const auto& [name, file] : expected.items()) {
    if (file["expect"] != "refuse") continue;
    const Outcome outcome = temper({"inspect", (hostile / (name + ".gguf")).string()});
    EXPECT_EQ(outcome.status, 1) << name << " " << outcome.out << outcome.err;
  }
}

}  // namespace
}  // namespace temper::system_tests
