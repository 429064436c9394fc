// What ./quickstart.sh chat runs, without a network: its conversations, its configuration, and its two models, the base
// being a small one from nothing.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "tests/data/temporary_folder.h"
#include "tests/places.h"
#include "tests/system/program.h"

namespace temper::system_tests {
namespace {

using Json = nlohmann::json;

/// Thirty layers, since the configuration's pattern names the upper ones.
constexpr const char* kModel = R"({"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 16,
    "intermediate_size": 32, "num_hidden_layers": 30, "num_attention_heads": 2, "num_key_value_heads": 1,
    "max_position_embeddings": 512, "vocab_size": 300, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
    "tie_word_embeddings": true, "hidden_act": "silu"})";
constexpr const char* kQuickstartTemplate =
    "{% for m in messages %}{{ '[' + m.role + ']' + m.content + eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '[assistant]' }}{% endif %}";

class ChatQuickstart : public testing::Test {
 protected:
  [[nodiscard]] static std::string read(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  [[nodiscard]] Outcome temper(const std::vector<std::string>& arguments, int ranks = 0) const {
    Invocation invocation;
    invocation.arguments = arguments;
    invocation.ranks = ranks;
    invocation.folder = folder_.path();
    return run(invocation);
  }
  [[nodiscard]] Outcome command(const std::vector<std::string>& words) const {
    Invocation invocation;
    invocation.folder = folder_.path();
    return run_command(words, invocation);
  }

  const std::filesystem::path source_ = testing_support::source_directory();
  const std::filesystem::path examples_ = source_ / "examples/support-conversations";
  testing_support::TemporaryFolder folder_;
};

TEST_F(ChatQuickstart, ConversationsAreThoseThatTheScriptWrites) {
  const Outcome made = command({"python3", (examples_ / "make.py").string(), "made"});
  if (made.status == 127) GTEST_SKIP() << "skipped: there is no python3";
  ASSERT_EQ(made.status, 0) << made.err;
  for (const char* name : {"train.jsonl", "validation.jsonl"}) {
    const std::string rows = read(folder_.path() / "made" / name);
    EXPECT_FALSE(rows.empty());
    EXPECT_TRUE(rows == read(examples_ / name)) << name;
  }
}

TEST_F(ChatQuickstart, ScriptTakesNoOtherWord) {
  const Outcome outcome = command({(source_ / "quickstart.sh").string(), "nonsense"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_NE(outcome.err.find("usage: ./quickstart.sh [documents | chat]; found: nonsense"), std::string::npos)
      << outcome.err;
}

TEST_F(ChatQuickstart, TrainsTheSameBitsOnOneAndTwoRanksAndAnswersBetter) {
  const std::string held_out = (examples_ / "validation.jsonl").string();
  std::ofstream(folder_.path() / "text.txt") << read(held_out);
  const Outcome tokenizer = temper(
      {"tokenizer", "train", "text.txt", "--vocabulary", "300", "--eos-token", "<|endoftext|>", "--output", "nothing"});
  ASSERT_EQ(tokenizer.status, 0) << tokenizer.err;
  std::ofstream(folder_.path() / "nothing/config.json") << kModel;
  std::ofstream(folder_.path() / "nothing/chat_template.jinja") << kQuickstartTemplate;
  std::ofstream(folder_.path() / "base.toml")
      << "[model]\npath = \"nothing\"\ntask = \"causal-lm\"\ninitialize = true\n[data]\ntrain = " << Json(held_out)
      << "\nmax_length = 512\n[train]\nmax_steps = 1\n[output]\ndir = \"base\"\n";
  const Outcome base = temper({"train", "base.toml"});
  ASSERT_EQ(base.status, 0) << base.err;
  std::string adapter;
  for (const int ranks : {0, 2}) {
    const std::string out = "support" + std::to_string(ranks);
    const Outcome trained = temper({"train", (source_ / "examples/support-conversations.toml").string(), "--set",
                                    "model.path=base/model", "--set", "data.train=" + Json(held_out).dump(), "--set",
                                    "data.validation=" + Json(held_out).dump(), "--set", "output.dir=" + out, "--set",
                                    "train.max_steps=4", "--set", "run.threads=1", "--set", "train.learning_rate=2e-2"},
                                   ranks);
    ASSERT_EQ(trained.status, 0) << trained.err;
    EXPECT_NE((trained.out + trained.err).find("20 training conversations, 20 turns to learn in them"),
              std::string::npos)
        << trained.err;
    EXPECT_NE((trained.out + trained.err).find("frozen layers: computed once"), std::string::npos) << trained.err;
    const std::string weights = read(folder_.path() / out / "model/adapter_model.safetensors");
    EXPECT_FALSE(weights.empty());
    EXPECT_TRUE(adapter.empty() || weights == adapter);
    adapter = weights;
  }
  std::vector<double> losses;
  for (const char* model : {"base/model", "support2/model"}) {
    const Outcome measured = temper({"eval", model, held_out, "--max-length", "512", "--json"});
    ASSERT_EQ(measured.status, 0) << measured.err;
    losses.push_back(Json::parse(measured.last_line()).at("loss"));
    const Outcome answered = temper({"generate", model, "--chat", "Where is my parcel?", "--max-new-tokens", "4"});
    EXPECT_EQ(answered.status, 0) << answered.err;
  }
  EXPECT_LT(losses[1], losses[0]);
}

}  // namespace
}  // namespace temper::system_tests
