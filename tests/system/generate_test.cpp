// temper generate, and eval of answers, as users run them.
#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/data/temporary_folder.h"
#include "tests/system/program.h"
#include "tests/tiny_text_model.h"

namespace temper::system_tests {
namespace {

using Json = nlohmann::json;

class Generate : public testing::Test {
 protected:
  void SetUp() override { testing_support::write_text_model(folder_.path() / "model"); }

  Outcome temper(const std::vector<std::string>& arguments, int ranks = 0, const std::string& input = "") const {
    Invocation invocation;
    invocation.arguments = arguments;
    invocation.ranks = ranks;
    invocation.input = input;
    invocation.folder = folder_.path();
    return run(invocation);
  }

  static std::vector<Json> rows(const std::string& text) {
    std::vector<Json> found;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) found.push_back(Json::parse(line));
    return found;
  }

  testing_support::TemporaryFolder folder_;
};

TEST_F(Generate, GoesOnWithAPromptOfTheCommandLine) {
  const Outcome outcome = temper({"generate", "model", "dhb", "--max-new-tokens", "5"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "\uFFFDn 1n\n");
  EXPECT_EQ(outcome.err_without_device(), "");
}

TEST_F(Generate, WritesTokensAndTheReasonAsJson) {
  const Outcome outcome = temper({"generate", "model", "dhb", "f", "--json", "--stop", "n 1"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const std::vector<Json> found = rows(outcome.out);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0]["prompt"], "dhb");
  EXPECT_EQ(found[0]["text"], "\uFFFD");
  EXPECT_EQ(found[0]["tokens"], Json({24, 13, 18, 26}));
  EXPECT_EQ(found[0]["finish_reason"], "stop_text");
  EXPECT_EQ(found[1]["tokens"], Json({24, 24, 24, 24, 24, 24, 6, 6, 27, 27, 15, 24, 24}));
  EXPECT_EQ(found[1]["finish_reason"], "positions");
}

TEST_F(Generate, AnswersComeInTheOrderOfTheFileOnAnyNumberOfRanksAlike) {
  std::string prompts;
  for (int i = 0; i < 23; ++i)
    prompts += Json{{"prompt", std::string(1 + i % 9, static_cast<char>('a' + i % 18))}}.dump() + "\n";
  (void)folder_.file("prompts.jsonl", prompts);
  const std::vector<std::string> arguments{"generate", "model",   "--input", "prompts.jsonl", "--json", "--temperature",
                                           "1.2",      "--top-p", "0.95",    "--seed",        "4"};
  const Outcome alone = temper(arguments);
  ASSERT_EQ(alone.status, 0) << alone.err;
  ASSERT_EQ(rows(alone.out).size(), 23U);
  EXPECT_EQ(rows(alone.out)[10]["prompt"], "kk");
  for (const int ranks : {2, 3}) {
    const Outcome together = temper(arguments, ranks);
    EXPECT_EQ(together.status, 0) << together.err;
    EXPECT_EQ(together.out, alone.out) << ranks << " ranks";
  }
  std::vector<std::string> others = arguments;
  others.insert(others.end(), {"--batch-size", "1", "--threads", "2"});
  EXPECT_EQ(temper(others).out, alone.out);
  others = arguments;
  others.insert(others.end(), {"-o", "answers.jsonl"});
  EXPECT_EQ(temper(others).out, "");
  std::ifstream written(folder_.path() / "answers.jsonl");
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(written), {}), alone.out);
}

TEST_F(Generate, ReadsStandardInputToItsEnd) {
  const Outcome outcome = temper({"generate", "model", "--json", "--max-new-tokens", "2"}, 0, "dhb\r\nf\nac");
  const std::vector<Json> found = rows(outcome.out);
  ASSERT_EQ(found.size(), 3U) << outcome.err;
  EXPECT_EQ(found[0]["prompt"], "dhb");
  EXPECT_EQ(found[2]["prompt"], "ac");
  EXPECT_EQ(temper({"generate", "model", "--json", "--max-new-tokens", "2"}, 2, "dhb\r\nf\nac").out, outcome.out);
  EXPECT_EQ(temper({"generate", "model", "-", "--json", "--max-new-tokens", "2"}, 0, "dhb\r\nf\nac").out, outcome.out);
  EXPECT_EQ(temper({"generate", "model"}, 0, "").status, 0);
  const Outcome text = temper({"generate", "model", "--max-new-tokens", "2"}, 0, "dhb\r\nf\nac");
  EXPECT_NE(text.out.find_first_not_of('\n'), std::string::npos);
  EXPECT_EQ(temper({"generate", "model", "--max-new-tokens", "2"}, 2, "dhb\r\nf\nac").out, text.out);
}

TEST_F(Generate, RefusesPromptsThatTheModelCannotGoOnWith) {
  const auto message_of = [&](const std::vector<std::string>& arguments, const std::string& input = "") {
    const Outcome outcome = temper(arguments, 0, input);
    EXPECT_NE(outcome.status, 0);
    return outcome.messages().empty() ? "" : outcome.messages().front();
  };
  EXPECT_HAS(message_of({"generate", "model", "a", std::string(14, 'b')}),
             "prompt 2: the prompt has 14 tokens, but the model has positions for 14, and an answer needs one");
  EXPECT_HAS(message_of({"generate", "model", ""}), "prompt 1: the prompt is empty, and neither");
  EXPECT_HAS(message_of({"generate", "model"}, "abc\nd\xFFq\n"),
             "standard input, line 2: the prompt is not UTF-8 at byte 1");
  EXPECT_HAS(message_of({"generate", "model", "a", "--top-p", "1.5"}), "--top-p is 1.5, expected");
  EXPECT_HAS(message_of({"generate", "model", "a", "--temperature", "-1"}), "--temperature is -1, expected");
  EXPECT_HAS(message_of({"generate", "model", "a", "--input", "b.txt"}), "choose one");
  EXPECT_HAS(message_of({"generate", "model", "a", "--precision", "f16"}), "expected f32 or bf16");
}

TEST_F(Generate, FollowsTheModelsOwnTokensAndRecommendations) {
  testing_support::write_text_model(
      folder_.path() / "model",
      R"({"bos_token_id": 5, "eos_token_id": [26, 1], "do_sample": true, "temperature": 0.8, "top_k": 3})");
  const std::vector<Json> empty = rows(temper({"generate", "model", "", "--json", "--ignore-stop-tokens"}).out);
  ASSERT_EQ(empty.size(), 1U);
  EXPECT_EQ(empty[0]["tokens"], Json({24, 24, 24, 24, 24, 24, 6, 6, 27, 27, 15, 24, 24}));
  EXPECT_EQ(rows(temper({"generate", "model", "dhb", "--json"}).out)[0]["finish_reason"], "stop_token");
  const std::vector<std::string> both{"generate", "model", "ab", "c", "--json"};
  std::vector<std::string> recommended = both;
  recommended.emplace_back("--recommended");
  std::vector<std::string> same = both;
  same.insert(same.end(), {"--temperature", "0.8", "--top-k", "3"});
  EXPECT_EQ(temper(recommended).out, temper(same).out);
}

TEST_F(Generate, BlankLinesAreNoPrompts) {
  (void)folder_.file("prompts.txt", "dhb\n\n  \nf\n");
  const std::vector<std::string> tail{"--json", "--max-new-tokens", "2"};
  std::vector<std::string> of_file{"generate", "model", "--input", "prompts.txt"};
  of_file.insert(of_file.end(), tail.begin(), tail.end());
  std::vector<std::string> of_input{"generate", "model"};
  of_input.insert(of_input.end(), tail.begin(), tail.end());
  const Outcome file = temper(of_file);
  EXPECT_EQ(rows(file.out).size(), 2U) << file.err;
  EXPECT_EQ(temper(of_input, 0, "dhb\n\n  \nf\n").out, file.out);
  EXPECT_EQ(temper(of_input, 2, "dhb\n\n  \nf\n").out, file.out);
  // Texts of several prompts are told apart.
  EXPECT_HAS(temper({"generate", "model", "dhb", "dhb", "--max-new-tokens", "5"}).out, "n 1n\n\n\uFFFDn");
}

TEST_F(Generate, ASignalKeepsTheAnswersThatAreWhole) {
  std::string prompts;
  for (int i = 0; i < 100000; ++i) prompts += std::string(1 + i % 9, static_cast<char>('a' + i % 18)) + "\n";
  (void)folder_.file("prompts.txt", prompts);
  (void)folder_.file(
      "references.csv", "question,answer\n" + [&] {
        std::string table;
        for (int i = 0; i < 100000; ++i) table += "dhb,n 1n\n";
        return table;
      }());
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"generate", "model", "--input", "prompts.txt", "-o", "answers.jsonl"},
                                             {"eval", "model", "references.csv", "--text", "question", "--reference",
                                              "answer", "--answers", "answers.jsonl"}}) {
    Invocation invocation;
    invocation.arguments = arguments;
    invocation.folder = folder_.path();
    int looks = 0;
    invocation.meanwhile = [&](pid_t process) {
      if (++looks == 60) kill(process, SIGTERM);
    };
    const Outcome outcome = run(invocation);
    ASSERT_EQ(outcome.status, 75) << outcome.err;
    EXPECT_HAS(outcome.err, "stopped after ");
    std::ifstream file(folder_.path() / "answers.jsonl");
    std::int64_t kept = 0;
    for (std::string line; std::getline(file, line); ++kept)
      EXPECT_NE(Json::parse(line).at("finish_reason"), "interrupted");
    EXPECT_HAS(outcome.err, "stopped after " + std::to_string(kept) + " of 100000 ");
    file.close();
    std::filesystem::remove(folder_.path() / "answers.jsonl");
  }
}

TEST_F(Generate, ASignalEndsItCleanly) {
  Invocation invocation;
  invocation.arguments = {"generate", "model", "--json"};
  invocation.folder = folder_.path();
  bool sent = false;
  int looks = 0;
  std::string prompts;
  for (int i = 0; i < 200000; ++i) prompts += "abc\n";
  invocation.input = prompts;
  invocation.meanwhile = [&](pid_t process) {
    if (!sent && ++looks > 20) sent = kill(process, SIGINT) == 0;
  };
  const Outcome outcome = run(invocation);
  EXPECT_TRUE(outcome.status == 75 || outcome.status == 128 + SIGINT) << outcome.status << outcome.err;
  EXPECT_FALSE(outcome.timed_out);
}

TEST_F(Generate, AnswersAreComparedWithReferences) {
  (void)folder_.file("questions.csv", "question,answer\ndhb,n 1n\nf,#3\n");
  const Outcome outcome =
      temper({"eval", "model", "questions.csv", "--text", "question", "--reference", "answer", "--max-new-tokens", "5",
              "--capture", "[0-9]", "--answers", "scored.jsonl", "--json"});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  const Json metrics = Json::parse(outcome.last_line());
  EXPECT_EQ(metrics["rows"], 2);
  EXPECT_EQ(metrics["exact_match"], 0.0);
  EXPECT_EQ(metrics["captured"], 0.5);
  EXPECT_GT(metrics["f1"], 0.0);
  EXPECT_EQ(temper({"eval", "model", "questions.csv", "--text", "question", "--reference", "answer", "--max-new-tokens",
                    "5", "--capture", "[0-9]", "--json"},
                   2)
                .last_line(),
            outcome.last_line());
  const Outcome over = temper(
      {"eval", "model", "questions.csv", "--text", "question", "--reference", "answer", "--answers", "questions.csv"});
  EXPECT_EQ(over.status, 2);
  EXPECT_HAS(over.err, "questions.csv: is the input as well");
  const Outcome refused = temper({"eval", "model", "questions.csv", "--text", "question", "--capture", "x"});
  EXPECT_EQ(refused.status, 2);
  EXPECT_HAS(refused.err, "by --reference");
  for (const char* option : {"--label", "--max-length"}) {
    const Outcome useless =
        temper({"eval", "model", "questions.csv", "--text", "question", "--reference", "answer", option, "9"});
    EXPECT_EQ(useless.status, 2);
    EXPECT_HAS(useless.err, std::string(option) + " is about losses and labels");
  }
  const Outcome ranked = temper({"predict", "model", "questions.csv", "--text", "question", "--top", "2"});
  EXPECT_EQ(ranked.status, 2);
  EXPECT_HAS(ranked.err, "--top is about classes");
}

}  // namespace
}  // namespace temper::system_tests
