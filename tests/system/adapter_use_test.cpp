// What a run trained with is what its results are used with: the tokenizer, the chat template, the truncation and what
// of conversations is learnt; and a run that goes on is refused where one of them is another.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "tests/data/temporary_folder.h"
#include "tests/system/tiny_run.h"
#include "tests/tiny_text_model.h"

namespace temper::system_tests {
namespace {

using OrderedJson = nlohmann::ordered_json;
using Overrides = std::vector<std::string>;

/// The base's template calls the user 1 and the assistant 2, the run's own calls them 3 and 1.
std::string chat_template_of(char user, char assistant) {
  return std::string("{% for m in messages %}{{ ('") + user + "' if m.role == 'user' else '" + assistant +
         "') + m.content + eos_token }}{% endfor %}{% if add_generation_prompt %}{{ '" + assistant + "' }}{% endif %}";
}

class AdapterUse : public testing::Test {
 protected:
  void SetUp() override {
    testing_support::write_text_model(folder_.path() / "model");
    write("model/chat_template.jinja", chat_template_of('1', '2'));
    write("model/tokenizer_config.json",
          R"({"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|endoftext|>"})");
    write("own.jinja", chat_template_of('3', '1'));
    std::string rows;
    for (char c = 'a'; c < 'm'; ++c) {
      const auto text = [&](int i) { return std::string(1, static_cast<char>('a' + (c - 'a' + i) % 18)); };
      OrderedJson messages;
      for (const auto& [role, content] : {std::pair("user", text(1)), std::pair("assistant", text(2) + text(5)),
                                          std::pair("user", text(3)), std::pair("assistant", text(4))})
        messages.push_back({{"role", role}, {"content", content}});
      rows += OrderedJson{{"messages", messages}}.dump() + "\n";
    }
    write("train.jsonl", rows);
    write("run.toml",
          "[model]\npath = \"model\"\ntask = \"causal-lm\"\n[data]\ntrain = \"train.jsonl\"\ntest = \"train.jsonl\"\n"
          "max_length = 32\ncache = false\n[lora]\nrank = 2\n[train]\nmax_steps = 3\nbatch_size = 4\ngrains = 2\n"
          "learning_rate = 0.05\n[checkpoint]\nevery_steps = 1\nkeep = 9\n[output]\ndir = \"out\"\n"
          "tensorboard = false\n[run]\nthreads = 1\n");
  }
  void write(const std::string& name, const std::string& content) const {
    std::ofstream(folder_.path() / name) << content;
  }
  [[nodiscard]] std::filesystem::path path(const std::string& name) const { return folder_.path() / name; }
  [[nodiscard]] std::string read(const std::string& name) const {
    std::ifstream file(path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  [[nodiscard]] Outcome temper(const std::vector<std::string>& arguments) const {
    Invocation invocation;
    invocation.arguments = arguments;
    invocation.folder = folder_.path();
    return run(invocation);
  }
  [[nodiscard]] Outcome train(const std::string& output, const Overrides& overrides) const {
    std::vector<std::string> arguments{"train", "run.toml", "--json", "--set", "output.dir=" + output};
    for (const std::string& text : overrides) arguments.insert(arguments.end(), {"--set", text});
    return temper(arguments);
  }
  /// The last line of what must succeed.
  [[nodiscard]] OrderedJson json(const std::vector<std::string>& arguments) const {
    const Outcome outcome = temper(arguments);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return outcome.status == 0 ? OrderedJson::parse(outcome.last_line()) : OrderedJson::object();
  }
  [[nodiscard]] double loss(const std::vector<std::string>& arguments) const {
    return json(arguments).value("loss", -1.0);
  }

  testing_support::TemporaryFolder folder_;
};

constexpr const char* kCheckpoint = "out/checkpoints/checkpoint-00000003.h5";

TEST_F(AdapterUse, AnAdapterIsAskedByTheTemplateThatItWasTrainedWith) {
  const Outcome trained = train("out", {"data.chat_template=own.jinja"});
  ASSERT_EQ(trained.status, 0) << trained.err;
  EXPECT_EQ(read("out/model/chat_template.jinja"), read("own.jinja"));
  const double of_run = OrderedJson::parse(trained.last_line())["test"]["loss"];
  std::filesystem::remove(path("own.jinja"));  // nobody needs it from here on

  ASSERT_EQ(temper({"export", "out/model", "--merge", "-o", "merged"}).status, 0);
  ASSERT_EQ(temper({"export", kCheckpoint, "-o", "again"}).status, 0);
  ASSERT_EQ(temper({"export", kCheckpoint, "--merge", "-o", "merged-again"}).status, 0);
  const Outcome gguf = temper({"export", kCheckpoint, "--gguf", "F32", "-o", "model.gguf"});
  for (const std::vector<std::string>& model : {std::vector<std::string>{"out/model"},
                                                {"model", "--adapter", "out/model"},
                                                {"merged"},
                                                {"again"},
                                                {"model", "--adapter", "again"},
                                                {"merged-again"}}) {
    std::vector<std::string> asked{"generate"};
    asked.insert(asked.end(), model.begin(), model.end());
    asked.insert(asked.end(), {"--chat", "ab", "--max-new-tokens", "1", "--json"});
    EXPECT_EQ(json(asked)["prompt"], "3ab<|endoftext|>1") << model.back();
    std::vector<std::string> measured{"eval"};
    measured.insert(measured.end(), model.begin(), model.end());
    measured.insert(measured.end(), {"train.jsonl", "--json"});
    EXPECT_NEAR(loss(measured), of_run, 1e-5) << model.back();
    std::vector<std::string> shown{"inspect", "train.jsonl", "--mask", "--json", "--model"};
    shown.insert(shown.end(), model.begin(), model.end());
    const OrderedJson row = json(shown)["rows"][0];
    std::string text;
    for (const OrderedJson& piece : row["pieces"]) text += piece["text"].get<std::string>();
    EXPECT_EQ(text, "3b<|endoftext|>1cf<|endoftext|>3d<|endoftext|>1e<|endoftext|>") << model.back();
  }
  write("texts.txt", "abc\nde\n");
  for (const std::vector<std::string>& model :
       {std::vector<std::string>{"model"}, {"out/model"}, {"model", "--adapter", "out/model"}}) {
    std::vector<std::string> shown{"inspect", "texts.txt", "--json", "--model"};
    shown.insert(shown.end(), model.begin(), model.end());
    EXPECT_EQ(json(shown)["documents"], 2) << model.back();
  }
  const Outcome alone = temper({"inspect", "train.jsonl", "--adapter", "out/model"});
  EXPECT_EQ(alone.status, 2);
  EXPECT_NE(alone.err.find("--adapter goes on a model"), std::string::npos) << alone.err;
  for (const char* folder : {"merged", "again", "merged-again"})
    EXPECT_EQ(read(std::string(folder) + "/chat_template.jinja"), read("out/model/chat_template.jinja")) << folder;

  // Training goes on as it was done, too.
  const Outcome further = train("further", {"model.adapter=out/model", "lora.rank=0"});
  ASSERT_EQ(further.status, 0) << further.err;
  EXPECT_EQ(read("further/model/chat_template.jinja"), read("out/model/chat_template.jinja"));
  if (gguf.status == 0) {
    EXPECT_EQ(json({"generate", "model.gguf", "--chat", "ab", "--max-new-tokens", "1", "--json"})["prompt"],
              "3ab<|endoftext|>1");
  }
}

TEST_F(AdapterUse, ATemplateAloneInAnAdaptersFolderCounts) {
  ASSERT_EQ(train("out", {}).status, 0);
  for (const char* name : {"tokenizer.json", "tokenizer_config.json"})
    std::filesystem::remove(path(std::string("out/model/") + name));
  write("out/model/chat_template.jinja", chat_template_of('2', '3'));
  EXPECT_EQ(
      json({"generate", "model", "--adapter", "out/model", "--chat", "a", "--max-new-tokens", "1", "--json"})["prompt"],
      "2a<|endoftext|>3");
}

TEST_F(AdapterUse, EvaluationCountsTheTokensThatTrainingLearnt) {
  const std::vector<Overrides> ways{{"data.learn=last"},
                                    {"data.learn=all"},
                                    {"data.learn_roles=[\"user\"]"},
                                    {"data.chat_template=own.jinja", "data.learn=last"}};
  std::vector<double> losses;
  for (std::size_t i = 0; i < ways.size(); ++i) {
    for (const char* rank : {"lora.rank=2", "lora.rank=0"}) {
      const std::string out = "out" + std::to_string(i) + rank;
      Overrides overrides = ways[i];
      overrides.emplace_back(rank);
      const Outcome trained = train(out, overrides);
      ASSERT_EQ(trained.status, 0) << trained.err;
      const double of_run = OrderedJson::parse(trained.last_line())["test"]["loss"];
      EXPECT_NEAR(loss({"eval", out + "/model", "train.jsonl", "--json"}), of_run, 1e-5) << out;
      const Outcome exported = temper({"export", out + "/checkpoints/checkpoint-00000003.h5", "-o", out + "-again"});
      ASSERT_EQ(exported.status, 0) << exported.err;
      EXPECT_NEAR(loss({"eval", out + "-again", "train.jsonl", "--json"}), of_run, 1e-5) << out;
    }
  }
}

TEST_F(AdapterUse, PairsWithoutATemplateAreMeasuredWithoutOne) {
  std::string rows;
  for (char c = 'a'; c < 'm'; ++c)
    rows += OrderedJson{{"prompt", std::string(2, c)}, {"completion", std::string("b") + c}}.dump() + "\n";
  write("train.jsonl", rows);
  const Outcome trained = train("out", {"data.chat_template=none"});
  ASSERT_EQ(trained.status, 0) << trained.err;
  EXPECT_NEAR(loss({"eval", "out/model", "train.jsonl", "--json"}),
              OrderedJson::parse(trained.last_line())["test"]["loss"], 1e-5);
}

TEST_F(AdapterUse, ARunGoesOnOnlyWithTheFilesThatItBeganWith) {
  ASSERT_EQ(train("first", {}).status, 0);
  const Overrides overrides{"data.chat_template=own.jinja", "model.adapter=first/model", "lora.rank=0"};
  ASSERT_EQ(train("out", overrides).status, 0);
  // Makes a run that has one step behind it.
  const auto begun = [&](const std::string& name) {
    std::filesystem::create_directories(path(name + "/checkpoints"));
    std::filesystem::copy_file(path("out/checkpoints/checkpoint-00000001.h5"),
                               path(name + "/checkpoints/checkpoint-00000001.h5"));
  };
  const auto refusal = [&](const std::string& name, const std::string& file, const std::string& content) {
    begun(name);
    const std::string before = read(file);
    write(file, content);
    const Outcome outcome = train(name, overrides);
    EXPECT_NE(outcome.status, 0);
    write(file, before);
    return outcome.err;
  };
  EXPECT_NE(
      refusal("a", "own.jinja", chat_template_of('3', '2')).find("another version of the chat template own.jinja"),
      std::string::npos);
  EXPECT_NE(refusal("b", "first/model/tokenizer.json", read("first/model/tokenizer.json") + " ")
                .find("was trained with another version of tokenizer.json"),
            std::string::npos);
  OrderedJson config = OrderedJson::parse(read("first/model/adapter_config.json"));
  config["lora_alpha"] = 16;
  EXPECT_NE(refusal("c", "first/model/adapter_config.json", config.dump())
                .find("was begun with another version of adapter_config.json"),
            std::string::npos);
  begun("d");
  const Outcome same = train("d", overrides);
  EXPECT_EQ(same.status, 0) << same.err;
  // What a checkpoint is exported with is what it was trained with.
  write("first/model/tokenizer.json", read("first/model/tokenizer.json") + " ");
  const Outcome exported = temper({"export", kCheckpoint, "-o", "again"});
  EXPECT_NE(exported.status, 0);
  EXPECT_NE(exported.err.find("another version of tokenizer.json"), std::string::npos) << exported.err;
}

/// As one that was trained on weights of four bits and is merged into those that they were made of.
TEST_F(AdapterUse, AnAdapterIsMergedIntoNoOtherBase) {
  ASSERT_EQ(train("out", {}).status, 0);
  std::filesystem::copy(path("model"), path("other"));
  std::string weights = read("other/model.safetensors");
  weights[weights.size() - 1] ^= 1;
  write("other/model.safetensors", weights);
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"export", "out/model", "--merge", "--base", "other", "-o", "merged"},
        {"export", kCheckpoint, "--merge", "--base", "other", "-o", "merged"},
        {"generate", "other", "--adapter", "out/model", "a"},
        {"train", "run.toml", "--set", "output.dir=x", "--set", "model.path=other", "--set", "model.adapter=out/model",
         "--set", "lora.rank=0"}}) {
    const Outcome outcome = temper(command);
    EXPECT_NE(outcome.status, 0) << command.front();
    EXPECT_NE(outcome.err.find("base model with SHA-256"), std::string::npos) << outcome.err;
  }
  EXPECT_FALSE(std::filesystem::exists(path("merged")));
}

TEST_F(AdapterUse, AdaptersThatHaveLearntNothingAreTold) {
  const Outcome trained = train("out", {"tuning.freeze=[\"h.0\"]"});
  ASSERT_EQ(trained.status, 0) << trained.err;
  EXPECT_NE(trained.err.find("are zero, so they change nothing"), std::string::npos) << trained.err;
  EXPECT_NE(trained.err.find("they have learnt nothing"), std::string::npos) << trained.err;
  const Outcome used = temper({"generate", "model", "--adapter", "out/model", "--max-new-tokens", "1", "a"});
  EXPECT_NE(used.err.find("out/model: the adapters of 4 of 8 modules are zero"), std::string::npos) << used.err;
  const Outcome good = train("good", {});
  EXPECT_EQ(good.err.find("they have learnt nothing"), std::string::npos) << good.err;
}

TEST_F(AdapterUse, WhatALaterPhaseCannotDoIsToldBeforeTheFirstStep) {
  const auto refusal = [&](const Overrides& overrides) {
    const Outcome outcome = train("refused", overrides);
    EXPECT_EQ(outcome.status, 2) << outcome.err;
    EXPECT_FALSE(std::filesystem::exists(path("refused/checkpoints"))) << outcome.err;
    return outcome.err;
  };
  // The head of this model is tied to its embeddings.
  EXPECT_NE(refusal({"lora.targets=[\"wte\", \"c_attn\"]",
                     "tuning.phases=[{ steps = 2 }, { merge_adapters = true, steps = 1 }]"})
                .find("tuning.phases, phase 2: the adapter of transformer.wte cannot be merged"),
            std::string::npos);
  // After the merge there are no adapters to freeze, and what is left may be all frozen.
  EXPECT_NE(
      refusal({"tuning.phases=[{ steps = 2 }, { merge_adapters = true, steps = 1, freeze = [\"h.0.attn.*.lora_A\"] "
               "}]"})
          .find("covers no parameter"),
      std::string::npos);
  EXPECT_NE(refusal({"lora.bias=all",
                     "tuning.phases=[{ steps = 2 }, { merge_adapters = true, steps = 1, freeze = "
                     "[\"transformer\"] }]"})
                .find("nothing is left to train"),
            std::string::npos);
}

/// Of encoders, which read texts.
class EncoderAdapterUse : public TinyRun {};

TEST_F(EncoderAdapterUse, TextsAreCutAtTheEndThatTrainingCut) {
  std::string rows = "text,label\n";
  for (int i = 0; i < 40; ++i)
    rows += std::string(i % 2 == 0 ? "good" : "bad") + " the a this is was it and very we they then " +
            (i % 3 == 0 ? "sad" : "happy") + (i % 3 == 0 ? ",negative\n" : ",positive\n");
  write("data/long.csv", rows);
  const Overrides overrides{"lora.rank=4",
                            "data.truncate=left",
                            "data.max_length=6",
                            "data.train=data/long.csv",
                            "data.validation=",
                            "data.test=data/long.csv",
                            "train.epochs=20",
                            "train.learning_rate=0.02",
                            "output.tensorboard=false"};
  const Outcome trained = train("out", overrides);
  ASSERT_EQ(trained.status, 0) << trained.err;
  const auto of_run = nlohmann::json::parse(trained.last_line()).at("test");
  const auto temper = [&](const std::vector<std::string>& arguments) {
    Invocation invocation;
    invocation.arguments = arguments;
    invocation.folder = folder_;
    return run(invocation);
  };
  ASSERT_EQ(temper({"export", "out/model", "--merge", "-o", "merged"}).status, 0);
  for (const std::vector<std::string>& model :
       {std::vector<std::string>{"out/model"}, {"model", "--adapter", "out/model"}, {"merged"}}) {
    std::vector<std::string> arguments{"eval"};
    arguments.insert(arguments.end(), model.begin(), model.end());
    arguments.insert(arguments.end(), {"data/long.csv", "--json"});
    const Outcome outcome = temper(arguments);
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    const auto measured = nlohmann::json::parse(outcome.last_line());
    EXPECT_NEAR(measured.at("loss").get<double>(), of_run.at("loss").get<double>(), 1e-4) << model.back();
    EXPECT_EQ(measured.at("accuracy"), of_run.at("accuracy"));
  }
}

}  // namespace
}  // namespace temper::system_tests
