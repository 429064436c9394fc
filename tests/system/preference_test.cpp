// Training on pairs of answers, as users do it: told before the first step, the same bits on any ranks, and a model
// that is a language model afterwards.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/data/temporary_folder.h"
#include "tests/system/program.h"
#include "tests/tiny_text_model.h"

namespace temper::system_tests {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr const char* kPreferenceTemplate =
    "{% for m in messages %}{{ ('1' if m.role == 'user' else '2') + m.content + eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '2' }}{% endif %}";

class Preference : public testing::Test {
 protected:
  void SetUp() override {
    testing_support::write_chat_model(folder_.path() / "model", kPreferenceTemplate);
    write("run.toml",
          "[model]\npath = \"model\"\ntask = \"dpo\"\n[data]\ntrain = \"train.jsonl\"\nvalidation = \"held.jsonl\"\n"
          "max_length = 24\n[train]\nepochs = 3\nbatch_size = 8\ngrains = 4\nlearning_rate = 5e-3\n[output]\n"
          "tensorboard = false\n[run]\nthreads = 1\n");
    // An answer of c is preferred to one of d, whatever was asked.
    write("train.jsonl", pairs(0, 30));
    write("held.jsonl", pairs(30, 43));
  }
  void write(const std::string& name, const std::string& content) const {
    std::ofstream(folder_.path() / name) << content;
  }
  [[nodiscard]] std::string read(const std::string& name) const {
    std::ifstream file(folder_.path() / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static std::string pairs(int first, int last) {
    std::string rows;
    for (int i = first; i < last; ++i) {
      const std::string asked = {static_cast<char>('a' + i % 18), static_cast<char>('a' + i * 7 % 18)};
      const std::string rest(static_cast<std::size_t>(i % 3), static_cast<char>('e' + i % 5));
      rows += OrderedJson{{"prompt", asked}, {"chosen", "c" + rest}, {"rejected", "d" + rest + "f"}}.dump() + "\n";
    }
    return rows;
  }
  [[nodiscard]] Outcome temper(const std::vector<std::string>& arguments, int ranks = 0) const {
    Invocation invocation;
    invocation.arguments = arguments;
    invocation.ranks = ranks;
    invocation.folder = folder_.path();
    return run(invocation);
  }
  [[nodiscard]] Outcome train(const std::string& out, const std::vector<std::string>& overrides, int ranks = 0) const {
    std::vector<std::string> arguments{"train", "run.toml", "--json", "--set", "output.dir=" + out};
    for (const std::string& text : overrides) {
      arguments.emplace_back("--set");
      arguments.push_back(text);
    }
    return temper(arguments, ranks);
  }
  [[nodiscard]] std::string weights(const std::string& out) const {
    const std::string adapter = read(out + "/model/adapter_model.safetensors");
    return adapter.empty() ? read(out + "/model/model.safetensors") : adapter;
  }
  /// Metrics of this kind in a run's log, in order.
  [[nodiscard]] std::vector<OrderedJson> events(const std::string& out, const std::string& kind) const {
    std::vector<OrderedJson> found;
    std::istringstream lines(read(out + "/metrics.jsonl"));
    for (std::string line; std::getline(lines, line);) {
      const OrderedJson event = OrderedJson::parse(line);
      if (event.dump().find("\"" + kind + "\"") != std::string::npos) found.push_back(event);
    }
    return found;
  }

  testing_support::TemporaryFolder folder_;
  const std::vector<std::string> lora_{"lora.rank=4", "lora.dropout=0.1", "train.gradient_accumulation=2"};
};

TEST_F(Preference, LearnsWhatIsPreferredFromTheModelThatItWas) {
  for (const std::vector<std::string>& overrides :
       {std::vector<std::string>{}, std::vector<std::string>{"lora.rank=4"}}) {
    const std::string out = overrides.empty() ? "full" : "lora";
    std::vector<std::string> all = overrides;
    all.insert(all.end(), {"output.log_every=1", "model.dropout=0", "preference.beta=0.5", "train.epochs=6"});
    const Outcome outcome = train(out, all);
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_NE(outcome.err.find("30 training pairs, 60 turns to learn in them"), std::string::npos) << outcome.err;
    EXPECT_NE(outcome.err.find("reference: what the model makes of 30 pairs before it is trained"), std::string::npos)
        << outcome.err;
    const std::vector<OrderedJson> steps = events(out, "train");
    ASSERT_FALSE(steps.empty());
    EXPECT_NEAR(steps.front()["loss"].get<double>(), 0.693147, 1e-6) << "before the first step it is its reference";
    EXPECT_EQ(steps.front()["margin"], 0.0);
    const std::vector<OrderedJson> evaluations = events(out, "evaluation");
    ASSERT_GT(evaluations.size(), 1U);
    const OrderedJson& last = evaluations.back();
    EXPECT_EQ(last["accuracy"], 1.0);
    EXPECT_GT(last["margin"].get<double>(), evaluations.front()["margin"].get<double>());
    EXPECT_GT(last["chosen_reward"].get<double>(), last["rejected_reward"].get<double>());
    EXPECT_LT(last["loss"].get<double>(), 0.6);
    EXPECT_LT(last["chosen_log_probability"].get<double>(), 0.0);
    // What comes of it is a language model.
    const OrderedJson use = OrderedJson::parse(read(out + "/model/temper.json"));
    EXPECT_EQ(use["task"], "causal-lm");
    const Outcome answer = temper({"generate", out + "/model", "ab", "--max-new-tokens", "3"});
    EXPECT_EQ(answer.status, 0) << answer.err;
  }
}

TEST_F(Preference, HasTheSameBitsOnOneToFourRanksResumedAndRecomputed) {
  std::map<std::string, std::string> of_names;
  for (const auto& [adapts, precision] : {std::pair(false, "f32"), {true, "f32"}, {false, "bf16"}, {true, "bf16"}}) {
    std::vector<std::string> overrides{"train.clip_norm=0.5", "checkpoint.every_steps=5", "checkpoint.keep=20",
                                       std::string("train.precision=") + precision};
    if (adapts) overrides.insert(overrides.end(), lora_.begin(), lora_.end());
    const std::string name = std::string(adapts ? "adapted-" : "whole-") + precision;
    ASSERT_EQ(train(name, overrides).status, 0);
    const std::string expected = weights(name);
    ASSERT_FALSE(expected.empty());
    for (const int ranks : {2, 3, 4}) {
      const std::string out = name + std::to_string(ranks);
      const Outcome outcome = train(out, overrides, ranks);
      ASSERT_EQ(outcome.status, 0) << outcome.err;
      EXPECT_TRUE(weights(out) == expected) << ranks << " ranks";
      EXPECT_EQ(events(out, "evaluation").back()["margin"], events(name, "evaluation").back()["margin"]);
    }
    std::vector<std::string> again = overrides;
    again.emplace_back("train.checkpoint_activations=blocks");
    ASSERT_EQ(train(name + "-again", again, 2).status, 0);
    EXPECT_TRUE(weights(name + "-again") == expected) << "activations computed again";
    // The reference is that of the start, not of the checkpoint.
    const std::string checkpoint = "/checkpoints/checkpoint-00000005.h5";
    std::filesystem::create_directories(folder_.path() / (name + "-part") / "checkpoints");
    std::filesystem::copy_file(folder_.path() / (name + checkpoint), folder_.path() / (name + "-part" + checkpoint));
    const Outcome rest = train(name + "-part", overrides, 2);
    ASSERT_EQ(rest.status, 0) << rest.err;
    EXPECT_TRUE(weights(name + "-part") == expected) << "resumed";
    of_names[name] = expected;
  }
  const Outcome narrow = train("says", {"train.precision=bf16", "train.max_steps=1"});
  if (narrow.err.find("bf16") == std::string::npos) {
    EXPECT_NE(of_names["whole-f32"], of_names["whole-bf16"]) << "where the processor has it";
  }
}

TEST_F(Preference, AReferenceThatIsStoppedGoesOnInTheNextStart) {
  write("train.jsonl", pairs(0, 600));
  const std::vector<std::string> common{"train.max_steps=3", "train.precision=bf16"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), common.begin(), common.end());
    return more;
  };
  ASSERT_EQ(train("whole", with({"data.cache_dir=other"})).status, 0);
  // Time is up at once, and each start gets a block of each rank further.
  const std::vector<std::string> brief = with({"data.cache_dir=cache", "run.max_minutes=0.00001"});
  const Outcome first = train("out", brief, 2);
  EXPECT_EQ(first.status, 75) << first.err;
  EXPECT_NE(first.err.find("reference: stopped behind "), std::string::npos) << first.err;
  EXPECT_NE(first.err.find(" of 600 pairs; another start goes on from there"), std::string::npos) << first.err;
  EXPECT_TRUE(OrderedJson::parse(first.last_line())["stopped_in_time"]);
  EXPECT_EQ(OrderedJson::parse(first.last_line())["steps"], 0);
  const Outcome second = train("out", brief);
  EXPECT_EQ(second.status, 75) << second.err;
  EXPECT_NE(second.err.find("reference: goes on behind "), std::string::npos) << second.err;
  const Outcome last = train("out", with({"data.cache_dir=cache"}), 3);
  ASSERT_EQ(last.status, 0) << last.err;
  EXPECT_NE(last.err.find("reference: goes on behind "), std::string::npos) << last.err;
  EXPECT_TRUE(weights("out") == weights("whole"));
  // A start that leaves nothing behind would be repeated for ever.
  const Outcome in_vain = train("in-vain", with({"data.cache=false", "run.max_minutes=0.00001"}));
  EXPECT_EQ(in_vain.status, 1) << in_vain.err;
  EXPECT_NE(in_vain.err.find("none are kept, as data.cache is false"), std::string::npos) << in_vain.err;
  EXPECT_NE(in_vain.err.find("another start like it would end here, too"), std::string::npos) << in_vain.err;
}

TEST_F(Preference, NewAdaptersOfAnotherRankHaveTheSameReference) {
  ASSERT_EQ(train("one", {"data.cache_dir=cache", "lora.rank=4"}).status, 0);
  const std::vector<std::string> other{"lora.rank=2", "train.seed=7"};
  std::vector<std::string> cached = other;
  cached.emplace_back("data.cache_dir=cache");
  const Outcome second = train("two", cached);
  ASSERT_EQ(second.status, 0) << second.err;
  EXPECT_NE(second.err.find("reference: known for 30 pairs"), std::string::npos) << second.err;
  std::vector<std::string> computed = other;
  computed.emplace_back("data.cache=false");
  ASSERT_EQ(train("three", computed).status, 0);
  EXPECT_TRUE(weights("two") == weights("three")) << "bit for bit what it would have computed";
}

TEST_F(Preference, APlanCountsTheReference) {
  const auto plan = [&](const std::string& precision) {
    const Outcome outcome =
        temper({"plan", "run.toml", "--json", "--ranks", "2", "--set", "train.precision=" + precision, "--set",
                "lora.rank=2", "--set", "train.gradient_accumulation=8"});
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return OrderedJson::parse(outcome.last_line());
  };
  for (const char* precision : {"f32", "bf16"}) {
    const OrderedJson phase = plan(precision)["phases"][0];
    EXPECT_TRUE(phase["reference"].is_object()) << phase;
    EXPECT_EQ(phase["memory_bytes"]["copies"] > 0, std::string(precision) == "bf16") << phase;
  }
}

TEST_F(Preference, GoesWithFrozenLayersAndTheirCache) {
  const std::vector<std::string> overrides{
      "tuning.freeze=[\"transformer.h.0\", \"transformer.wte\", \"transformer.wpe\"]", "model.dropout=0"};
  const Outcome cached = train("cached", overrides);
  ASSERT_EQ(cached.status, 0) << cached.err;
  std::vector<std::string> computed = overrides;
  computed.emplace_back("tuning.frozen_cache=false");
  ASSERT_EQ(train("computed", computed, 2).status, 0);
  EXPECT_TRUE(weights("cached") == weights("computed"));
}

TEST_F(Preference, KnowsItsReferenceAtTheNextStart) {
  ASSERT_EQ(train("one", {"data.cache_dir=cache"}).status, 0);
  const Outcome second = train("two", {"data.cache_dir=cache", "preference.beta=0.3"}, 2);
  ASSERT_EQ(second.status, 0) << second.err;
  EXPECT_NE(second.err.find("reference: known for 30 pairs"), std::string::npos) << second.err;
  const Outcome third = train("three", {"data.cache=false", "preference.beta=0.3"});
  ASSERT_EQ(third.status, 0) << third.err;
  EXPECT_TRUE(weights("two") == weights("three"));
}

TEST_F(Preference, OtherLossesLearnToo) {
  for (const std::vector<std::string>& overrides : {std::vector<std::string>{"preference.loss=ipo"},
                                                    {"preference.length_normalized=true", "preference.beta=2"},
                                                    {"preference.label_smoothing=0.1"}}) {
    const std::string out = "with-" + overrides.front().substr(11, 5);
    const Outcome outcome = train(out, overrides);
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_GT(events(out, "evaluation").back()["accuracy"].get<double>(), 0.9) << out;
  }
}

TEST_F(Preference, TellsOfPairsThatTeachNothing) {
  write("train.jsonl", pairs(0, 5) + R"({"prompt": "a", "chosen": "b", "rejected": "b"})" + "\n" +
                           R"({"prompt": "a", "chosen": "", "rejected": "b"})" + "\n" +
                           R"({"prompt": "a", "chosen": "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", "rejected": "b"})" + "\n");
  const Outcome outcome = train("out", {"data.long_documents=drop"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  for (const char* told :
       {"8 training pairs", "1 of 8 training pairs is left out: both answers are the same",
        "1 of 8 training pairs is left out: an answer says nothing", "1 of 8 training pairs has more"})
    EXPECT_NE(outcome.err.find(told), std::string::npos) << told << "\n" << outcome.err;
}

TEST_F(Preference, RefusesWhatItCannotUse) {
  const std::string good = pairs(0, 1);
  write("train.jsonl", good + R"({"prompt": "a", "completion": "b"})" + "\n");
  Outcome outcome = train("out", {});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.err.find("train.jsonl, line 2: is no pair of answers"), std::string::npos) << outcome.err;
  write("train.jsonl", R"({"prompt": "a", "chosen": "b", "rejected": "b"})"
                       "\n");
  EXPECT_NE(train("out", {}).err.find("no pair is left of 1"), std::string::npos);
  write("train.jsonl", good);
  const std::vector<std::pair<std::string, std::string>> keys{
      {"data.format=text", "data.format is text"},
      {"data.pack=none", "data.pack is for causal-lm"},
      {"data.learn=all", "data.learn is all"},
      {"train.label_smoothing=0.1", "preference.label_smoothing"},
      {"train.z_loss=0.1", "train.z_loss has no effect for dpo"},
      {"train.class_weights=balanced", "train.class_weights applies to classification only"},
      {"evaluate.stride=4", "evaluate.stride is for causal-lm"},
      {"train.metric=f1", "f1"}};
  for (const auto& [key, told] : keys) {
    outcome = train("out", {key});
    EXPECT_NE(outcome.status, 0) << key;
    EXPECT_NE(outcome.err.find(told), std::string::npos) << key << "\n" << outcome.err;
  }
  outcome = train("out", {"model.task=causal-lm", "data.text=prompt", "preference.beta=0.2"});
  EXPECT_NE(outcome.err.find("preference.beta is for dpo"), std::string::npos) << outcome.err;
  outcome = train("out", {"model.task=causal-lm"});
  EXPECT_NE(outcome.err.find("its rows are pairs of answers, which model.task = \"dpo\" learns"), std::string::npos)
      << outcome.err;
}

TEST_F(Preference, InspectionShowsBothAnswers) {
  const Outcome outcome = temper({"inspect", "train.jsonl", "--model", "model", "--mask", "--rows", "1"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("line 1, chosen: 2 of 7 tokens are learnt\n1aa<|endoftext|>2[[c<|endoftext|>]]"),
            std::string::npos)
      << outcome.out;
  EXPECT_NE(outcome.out.find("line 1, rejected: 3 of 8 tokens are learnt\n1aa<|endoftext|>2[[df<|endoftext|>]]"),
            std::string::npos)
      << outcome.out;
  EXPECT_NE(outcome.out.find("30 training pairs"), std::string::npos) << outcome.out;
}

}  // namespace
}  // namespace temper::system_tests
