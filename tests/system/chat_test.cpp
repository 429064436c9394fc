// Conversations, as users train on them, look at them and hold them.
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/data/temporary_folder.h"
#include "tests/system/program.h"
#include "tests/tiny_text_model.h"

namespace temper::system_tests {
namespace {

using OrderedJson = nlohmann::ordered_json;

/// 1 and 2 stand for the user and the assistant: the tiny model knows few characters.
constexpr const char* kChatTemplate =
    "{% for m in messages %}{% if m.role not in ['user', 'assistant'] %}{{ raise_exception('roles are user and "
    "assistant, "
    "not ' ~ m.role) }}{% endif %}{{ ('1' if m.role == 'user' else '2') + m.content + eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '2' }}{% endif %}";

class Chat : public testing::Test {
 protected:
  void SetUp() override {
    testing_support::write_chat_model(folder_.path() / "model", kChatTemplate);
    write("run.toml",
          "[model]\npath = \"model\"\ntask = \"causal-lm\"\n[data]\ntrain = \"train.jsonl\"\nvalidation = "
          "\"train.jsonl\"\n"
          "max_length = 16\n[train]\nmax_steps = 2\nbatch_size = 4\ngrains = 2\n[output]\ndir = "
          "\"out\"\n[run]\nthreads = 1\n");
  }
  void write(const std::string& name, const std::string& content) const {
    std::ofstream(folder_.path() / name) << content;
  }
  [[nodiscard]] std::string read(const std::string& name) const {
    std::ifstream file(folder_.path() / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  [[nodiscard]] Outcome temper(const std::vector<std::string>& arguments, int ranks = 0,
                               const std::string& input = "") const {
    Invocation invocation;
    invocation.arguments = arguments;
    invocation.ranks = ranks;
    invocation.input = input;
    invocation.folder = folder_.path();
    return run(invocation);
  }

  testing_support::TemporaryFolder folder_;
};

std::string rows_of(const std::function<OrderedJson(const std::string& question, const std::string& answer)>& form) {
  std::string rows;
  for (int i = 0; i < 12; ++i)
    rows +=
        form(std::string(1, static_cast<char>('a' + i)) + "b", std::string("c") + static_cast<char>('a' + i)).dump() +
        "\n";
  return rows;
}

OrderedJson message(const char* role, const std::string& content) { return {{"role", role}, {"content", content}}; }

TEST_F(Chat, EveryFormTrainsOnTwoRanksToTheSameWeights) {
  const std::vector<std::string> forms{
      rows_of([](const auto& q, const auto& a) {
        return OrderedJson{{"messages", {message("user", q), message("assistant", a)}}};
      }),
      rows_of([](const auto& q, const auto& a) {
        return OrderedJson{{"conversations", {{{"from", "human"}, {"value", q}}, {{"from", "gpt"}, {"value", a}}}}};
      }),
      rows_of([](const auto& q, const auto& a) {
        return OrderedJson{{"prompt", q}, {"completion", a}};
      }),
      rows_of([](const auto& q, const auto& a) {
        return OrderedJson{{"instruction", q}, {"output", a}};
      })};
  std::string weights;
  for (std::size_t i = 0; i < forms.size(); ++i) {
    write("train.jsonl", forms[i]);
    const std::string out = "out" + std::to_string(i);
    const Outcome outcome =
        temper({"train", "run.toml", "--set", "output.dir=" + out, "--set", "data.cache=false"}, i == 0 ? 0 : 2);
    ASSERT_EQ(outcome.status, 0) << outcome.err << outcome.out;
    EXPECT_NE((outcome.out + outcome.err).find("12 training conversations, 12 turns to learn in them: 36 of 96 tokens"),
              std::string::npos)
        << outcome.out << outcome.err;
    const std::string trained = read(out + "/model/model.safetensors");
    EXPECT_TRUE(i == 0 || trained == weights) << i;
    weights = trained;
    EXPECT_EQ(read(out + "/model/chat_template.jinja"), kChatTemplate);
    const Outcome measured = temper({"eval", out + "/model", "train.jsonl", "--json"});
    ASSERT_EQ(measured.status, 0) << measured.err;
    EXPECT_EQ(OrderedJson::parse(measured.last_line())["rows"], 12);
    EXPECT_GT(OrderedJson::parse(measured.last_line())["bits_per_byte"], 0.0);
  }
}

TEST_F(Chat, FilesAreMixedToTheSameBitsOnAnyRanksAndFromTheCache) {
  write("train.jsonl", rows_of([](const auto& q, const auto& a) {
          return OrderedJson{{"messages", {message("user", q), message("assistant", a)}}};
        }));
  // Of three rows one has nothing to learn, so that rows of the file and sequences are not the same.
  write("old.jsonl",
        R"({"messages": [{"role": "user", "content": "ab"}, {"role": "assistant", "content": "cd"}]}
{"messages": [{"role": "user", "content": "ab"}, {"role": "assistant", "content": "cd", "weight": 0}]}
{"prompt": "ef", "completion": "gh"}
)");
  std::string weights;
  for (const int ranks : {0, 2, 3}) {
    const std::string out = "out" + std::to_string(ranks);
    const Outcome outcome = temper(
        {"train", "run.toml", "--set", "output.dir=" + out, "--set", "data.train=[\"train.jsonl\", \"old.jsonl\"]",
         "--set", "data.train_weights=[3, 1]", "--set", "train.max_steps=6", "--set", "data.pack=none", "--set",
         "data.cache_dir=cache", "--set", "train.gradient_accumulation=2"},
        ranks);
    ASSERT_EQ(outcome.status, 0) << outcome.err << outcome.out;
    EXPECT_NE(
        (outcome.out + outcome.err)
            .find("an epoch takes 16 rows: 12 of train.jsonl (each once), 4 of old.jsonl (of 2, so each 2 times)"),
        std::string::npos)
        << outcome.err;
    const std::string trained = read(out + "/model/model.safetensors");
    EXPECT_TRUE(weights.empty() || trained == weights) << ranks;
    weights = trained;
  }
  const Outcome plan =
      temper({"plan", "run.toml", "--json", "--set", "data.train=[\"train.jsonl\", \"old.jsonl\"]", "--set",
              "data.train_weights=[3, 1]", "--set", "data.pack=none", "--set", "output.dir=planned"});
  ASSERT_EQ(plan.status, 0) << plan.err;
  EXPECT_EQ(OrderedJson::parse(plan.last_line())["train_rows"], 16);
}

TEST_F(Chat, TurnsCountByTheirWeightsOnAnyRanks) {
  const auto rows_with = [](const OrderedJson& weights) {
    std::string rows;
    for (int i = 0; i < 12; ++i) {
      OrderedJson answer = message("assistant", std::string("c") + static_cast<char>('a' + i));
      const OrderedJson& weight = weights[static_cast<std::size_t>(i) % weights.size()];
      if (!weight.is_null()) answer["weight"] = weight;
      rows += OrderedJson{{"messages", {message("user", std::string(1, static_cast<char>('a' + i)) + "b"), answer}}}
                  .dump() +
              "\n";
    }
    return rows;
  };
  const auto trained = [&](const std::string& out, const OrderedJson& weights, int ranks,
                           const std::vector<std::string>& more = {}) {
    write("train.jsonl", rows_with(weights));
    std::vector<std::string> arguments{"train", "run.toml",          "--set", "output.dir=" + out,
                                       "--set", "train.max_steps=4", "--set", "train.gradient_accumulation=2"};
    for (const std::string& setting : more) arguments.insert(arguments.end(), {"--set", setting});
    const Outcome outcome = temper(arguments, ranks);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return read(out + "/model/model.safetensors");
  };
  const std::string plain = trained("plain", OrderedJson::array({nullptr}), 0);
  EXPECT_TRUE(trained("halves", OrderedJson::array({0.5}), 0) == plain) << "only what weights are to each other counts";
  const OrderedJson some = OrderedJson::array({0.3, 1, 2.5, nullptr});
  const std::string weighed = trained("weighed", some, 0);
  EXPECT_FALSE(weighed == plain);
  for (const int ranks : {2, 3})
    EXPECT_TRUE(trained("weighed" + std::to_string(ranks), some, ranks) == weighed) << ranks;
  EXPECT_TRUE(trained("cached", some, 2, {"data.cache_dir=weighed/cache"}) == weighed) << "from the cache";
  // A turn of weight 0 is none, whatever stands beside it.
  EXPECT_FALSE(trained("zero", OrderedJson::array({0, 1}), 0) == plain);
}

TEST_F(Chat, CachedRowsTellTheSameOfThemselves) {
  write("train.jsonl", rows_of([](const auto& q, const auto& a) {
          return OrderedJson{{"messages", {message("user", q), message("assistant", a)}}};
        }));
  for (const char* out : {"one", "two"}) {
    const Outcome outcome =
        temper({"train", "run.toml", "--set", std::string("output.dir=") + out, "--set", "data.cache_dir=cache"});
    EXPECT_NE((outcome.out + outcome.err).find("each of these turns ends with its end token (<|endoftext|>)"),
              std::string::npos)
        << outcome.out << outcome.err;
  }
}

TEST_F(Chat, RowsThatAreNoConversationAreRefusedByFileAndLine) {
  const std::string good = R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]})";
  const std::vector<std::pair<std::string, std::string>> cases{
      {R"({"messages": [{"role": "critic", "content": "a"}]})",
       "train.jsonl, line 2: the chat template (model/chat_template.jinja, line 1) refuses the conversation: roles are "
       "user "
       "and assistant, not critic"},
      {R"({"messages": [{"content": "a"}]})", "train.jsonl, line 2: message 1 has no role"},
      {R"({"text": "a"})", "train.jsonl, line 2: is no conversation: found \"text\""},
      {R"({"messages": [})", "train.jsonl, line 2: it is no JSON at byte"}};
  for (const auto& [row, message] : cases) {
    write("train.jsonl", good + "\n" + row + "\n");
    const Outcome outcome = temper({"train", "run.toml"});
    EXPECT_EQ(outcome.status, 1);
    EXPECT_NE(outcome.err.find(message), std::string::npos) << outcome.err;
  }
  write("train.jsonl", R"({"messages": [{"role": "user", "content": "a"}]})"
                       "\n");
  const Outcome nothing = temper({"train", "run.toml"});
  EXPECT_NE(nothing.err.find("no row has anything to learn"), std::string::npos) << nothing.err;
}

TEST_F(Chat, TemplateThatLoopsIsRefused) {
  write("model/chat_template.jinja",
        "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{% endfor %}{% endfor %}{% "
        "endfor %}");
  write("train.jsonl", R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]})"
                       "\n");
  const Outcome outcome = temper({"train", "run.toml"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.err.find("the template takes more than 5000000 steps"), std::string::npos) << outcome.err;
}

TEST_F(Chat, MaskIsShownWithPlainMarksAndAsAPage) {
  write("talk.jsonl", R"({"messages": [{"role": "user", "content": "ab"}, {"role": "assistant", "content": "cd"}]})"
                      "\n");
  const Outcome outcome = temper({"inspect", "talk.jsonl", "--model", "model", "--mask", "--html", "page.html"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("talk.jsonl, line 1: 3 of 8 tokens are learnt\n1ab<|endoftext|>2[[cd<|endoftext|>]]\n"),
            std::string::npos)
      << outcome.out;
  EXPECT_NE(read("page.html").find("1ab&lt;|endoftext|&gt;2<mark>cd&lt;|endoftext|&gt;</mark>"), std::string::npos);
  const Outcome json = temper({"inspect", "talk.jsonl", "--model", "model", "--mask", "--json"});
  EXPECT_EQ(OrderedJson::parse(json.last_line())["rows"][0]["learnt"], OrderedJson({0, 0, 0, 0, 0, 1, 1, 1}));
  // A page takes the place of a page, and of nothing else.
  EXPECT_EQ(temper({"inspect", "talk.jsonl", "--model", "model", "--mask", "--html", "page.html"}).status, 0);
  const std::string talk = read("talk.jsonl");
  write("notes.txt", "mine");
  for (const char* file : {"talk.jsonl", "notes.txt"}) {
    const Outcome refused = temper({"inspect", "talk.jsonl", "--model", "model", "--mask", "--html", file});
    EXPECT_EQ(refused.status, 2) << refused.err;
  }
  EXPECT_EQ(read("talk.jsonl"), talk);
  EXPECT_EQ(read("notes.txt"), "mine");
  const std::vector<std::vector<std::string>> needless{
      {"--mask", "--pack", "blocks"}, {"--mask", "--tensors"}, {"--learn", "last"}, {"--rows", "2"}};
  for (std::vector<std::string> options : needless) {
    options.insert(options.begin(), {"inspect", "talk.jsonl", "--model", "model"});
    const Outcome refused = temper(options);
    EXPECT_EQ(refused.status, 2) << refused.err;
    EXPECT_NE(refused.err.find("leave it out"), std::string::npos) << refused.err;
  }
  const Outcome plain = temper({"inspect", "talk.jsonl", "--model", "model"});
  EXPECT_EQ(plain.status, 2);
  EXPECT_NE(plain.err.find("its rows are conversations; --mask shows"), std::string::npos) << plain.err;
  const Outcome predicted = temper({"predict", "model", "talk.jsonl"});
  EXPECT_EQ(predicted.status, 2);
  EXPECT_NE(predicted.err.find("temper eval measures them"), std::string::npos) << predicted.err;
}

TEST_F(Chat, QuestionsAndConversationsGoThroughTheTemplate) {
  const Outcome question = temper({"generate", "model", "--chat", "ab", "--max-new-tokens", "2", "--json"});
  ASSERT_EQ(question.status, 0) << question.err;
  EXPECT_EQ(OrderedJson::parse(question.last_line())["prompt"], "1ab<|endoftext|>2");
  write("talk.jsonl", R"({"messages": [{"role": "user", "content": "ab"}, {"role": "assistant", "content": "cd"}]})"
                      "\n");
  const Outcome file = temper({"generate", "model", "--input", "talk.jsonl", "--max-new-tokens", "2", "--json"}, 2);
  ASSERT_EQ(file.status, 0) << file.err;
  EXPECT_EQ(OrderedJson::parse(file.last_line()), OrderedJson::parse(question.last_line()));
}

TEST_F(Chat, ScriptedConversationKeepsItsHistory) {
  write("script.txt", "a\n/save one.jsonl\nb\n/save two.jsonl\n/reset\n/save three.jsonl\n/what\n/quit\nc\n");
  const Outcome outcome = temper({"chat", "model", "--script", "script.txt", "--max-new-tokens", "1"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const OrderedJson one = OrderedJson::parse(read("one.jsonl"))["messages"];
  const OrderedJson two = OrderedJson::parse(read("two.jsonl"))["messages"];
  ASSERT_EQ(one.size(), 2U);
  ASSERT_EQ(two.size(), 4U);
  EXPECT_EQ(two[0], one[0]);
  EXPECT_EQ(two[1], one[1]);
  EXPECT_EQ(two[2]["content"], "b");
  EXPECT_TRUE(OrderedJson::parse(read("three.jsonl"))["messages"].empty());
  EXPECT_NE(outcome.out.find("(no such command"), std::string::npos);
  EXPECT_EQ(outcome.out.find("> c"), std::string::npos);
  const Outcome typed = temper({"chat", "model", "--max-new-tokens", "1"}, 0, "a\n/save typed.jsonl\n");
  EXPECT_EQ(typed.status, 0) << typed.err;
  EXPECT_EQ(OrderedJson::parse(read("typed.jsonl"))["messages"], one);
}

TEST_F(Chat, ReferencesAreComparedWithAnswersToQuestions) {
  write("train.jsonl", rows_of([](const std::string& question, const std::string& answer) {
          return OrderedJson{{"messages", {message("user", question), message("assistant", answer)}}};
        }));
  ASSERT_EQ(temper({"train", "run.toml"}).status, 0);
  write("questions.jsonl", OrderedJson{{"question", "ab"}, {"answer", "cd"}}.dump() + "\n");
  const auto prompt_of = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments{"eval",     "out/model",   "questions.jsonl", "--text",
                                       "question", "--reference", "answer",          "--max-new-tokens",
                                       "1",        "--answers",   "answers.jsonl"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Outcome outcome = temper(arguments);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_EQ(outcome.err.find("was trained on conversations") == std::string::npos, !more.empty()) << outcome.err;
    return OrderedJson::parse(read("answers.jsonl"))["prompt"].get<std::string>();
  };
  EXPECT_EQ(prompt_of({}), "1ab<|endoftext|>2");
  EXPECT_EQ(prompt_of({"--raw"}), "ab");
}

TEST_F(Chat, SavedConversationsAreAddedToAFile) {
  write("talks.jsonl", R"({"messages": []})");  // without an end of its line
  write("notes.txt", "mine");
  write("script.txt",
        "a\n/save   talks.jsonl \nb\n/save talks.jsonl\n/reset\nc\n/save talks.jsonl\n/save notes.txt\n/savex\n/quit "
        "now\n");
  const Outcome outcome = temper({"chat", "model", "--script", "script.txt", "--max-new-tokens", "1"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  std::istringstream lines(read("talks.jsonl"));
  std::vector<std::size_t> sizes;
  for (std::string line; std::getline(lines, line);) sizes.push_back(OrderedJson::parse(line)["messages"].size());
  EXPECT_EQ(sizes, (std::vector<std::size_t>{0, 4, 2})) << "a row that was saved before became longer";
  EXPECT_EQ(read("notes.txt"), "mine");
  EXPECT_NE(outcome.out.find("no file of conversations"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("(no such command"), std::string::npos);
  EXPECT_NE(outcome.out.find("(nothing stands behind /quit"), std::string::npos);
  EXPECT_EQ(temper({"chat", "model", "--script", "."}).status, 1);
}

}  // namespace
}  // namespace temper::system_tests
