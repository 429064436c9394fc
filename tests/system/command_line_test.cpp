// What the program says of its own words: help, and one sentence for a command line that fits nothing.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "tests/system/tiny_run.h"

namespace temper::system_tests {
namespace {

class CommandLineOfTemper : public TinyRun {
 protected:
  Outcome start(std::vector<std::string> arguments) const {
    Invocation invocation;
    invocation.arguments = std::move(arguments);
    invocation.folder = folder_;
    invocation.limit_seconds = 30.0;
    return run(invocation);
  }
};

TEST_F(CommandLineOfTemper, WrongUseIsOneSentence) {
  struct Use {
    std::vector<std::string> words;
    std::string sentence;
  };
  const std::string all =
      "train, eval, predict, explain, generate, chat, export, inspect, plan, tokenizer, bench, version";
  for (const auto& [words, sentence] : std::vector<Use>{
           {{"plan"}, "temper plan needs configuration: TOML file, as for temper train; see temper plan --help"},
           {{}, "temper needs a command: " + all + "; see temper --help"},
           {{"predict", "m", "x", "--top", "0"},
            "--top: found 0, expected a whole number, 1 to 1048576; see temper predict --help"},
           {{"plan", "run.toml", "--ranks", "two"},
            "--ranks: found two, expected a whole number; see temper plan --help"},
           {{"eval", "m", "x", "--threads", "two"},
            "--threads: found two, expected a whole number; see temper eval --help"},
           {{"predict", "m", "x", "--documents", "files"},
            "--documents: found files, expected line, paragraph or file (did you mean file?); see temper predict "
            "--help"},
           {{"eval", "m", "x", "--device", "tpu"},
            "--device: found tpu, expected auto, cpu or cuda (did you mean cpu?); see temper eval --help"},
           {{"train", "run.toml", "--qqqqqqqqqqqqqqqq"},
            "unknown option --qqqqqqqqqqqqqqqq of temper train; see temper train --help"},
           {{"inspect", "A", "B"}, "unexpected argument B of temper inspect; see temper inspect --help"},
           {{"bogus-bogus"}, "unknown command bogus-bogus of temper; there are " + all + ". See temper --help"},
           {{"trian"}, "unknown command trian of temper; did you mean train? See temper --help"}}) {
    const Outcome outcome = start(words);
    EXPECT_EQ(outcome.status, 2) << sentence;
    EXPECT_EQ(outcome.err, "temper: " + sentence + "\n");
    EXPECT_EQ(outcome.out, "");
  }
}

TEST_F(CommandLineOfTemper, HelpIsFreeOfJargon) {
  for (const char* command : {"train", "eval", "predict", "export", "inspect", "plan"}) {
    const std::string help = start({command, "--help"}).out;
    for (const char* jargon : {"{", "9223372036854775807", "]=", "REQUIRED"})
      EXPECT_EQ(help.find(jargon), std::string::npos) << command << ": " << help;
  }
  const std::string train = start({"train", "--help"}).out;
  EXPECT_NE(train.find("--profile[=FILE]"), std::string::npos) << train;
  EXPECT_NE(train.find("at least 1 (20)"), std::string::npos) << train;
}

TEST_F(CommandLineOfTemper, APipeIsNoFile) {
  ASSERT_EQ(::mkfifo(path("pipe.toml").c_str(), 0600), 0);
  ASSERT_EQ(::mkfifo(path("pipe.csv").c_str(), 0600), 0);
  ASSERT_EQ(::mkfifo(path("pipe.h5").c_str(), 0600), 0);
  ASSERT_EQ(::mkfifo(path("pipe.safetensors").c_str(), 0600), 0);
  ASSERT_EQ(::mkfifo(path("pipe.bin").c_str(), 0600), 0);
  for (const std::vector<std::string>& words : {std::vector<std::string>{"train", "pipe.toml"},
                                                {"plan", "pipe.toml"},
                                                {"plan", "run.toml", "--machine", "pipe.toml"},
                                                {"inspect", "pipe.csv"},
                                                {"inspect", "pipe.h5"},
                                                {"inspect", "pipe.safetensors"},
                                                {"inspect", "pipe.bin"},
                                                {"export", "pipe.h5", "-o", "exported"}}) {
    const Outcome outcome = start(words);
    EXPECT_FALSE(outcome.timed_out);
    EXPECT_EQ(outcome.status, 1) << outcome.err;
    ASSERT_EQ(outcome.messages().size(), 1U) << words[0] << ' ' << words[1] << outcome.err;
    EXPECT_NE(outcome.messages()[0].find("is a pipe, expected a file"), std::string::npos) << outcome.err;
  }
  const Outcome piped = run_command({"sh", "-c", "cat run.toml | \"$0\" train /dev/stdin", TEMPER_PROGRAM}, [this] {
    Invocation invocation;
    invocation.folder = folder_;
    return invocation;
  }());
  EXPECT_EQ(piped.status, 1);
  EXPECT_NE(piped.err.find("/dev/stdin: is a pipe, expected a file"), std::string::npos) << piped.err;
}

TEST_F(CommandLineOfTemper, AModelsFileIsNoTable) {
  const Outcome outcome = start({"inspect", "model/config.json"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.err.find("model/config.json: expected an array of objects, or belongs to a model folder"),
            std::string::npos)
      << outcome.err;
}

TEST_F(CommandLineOfTemper, ACheckpointIsShownInLines) {
  const Outcome trained = train("out", {"train.max_steps=1"});
  ASSERT_EQ(trained.status, 0) << trained.err;
  const std::string shown = start({"inspect", nlohmann::json::parse(trained.last_line())["checkpoint"]}).out;
  EXPECT_NE(shown.find("\n    [model]\n"), std::string::npos) << shown;
  EXPECT_EQ(shown.find("\\n"), std::string::npos) << shown;
  EXPECT_EQ(shown.find(": \"\"\n"), std::string::npos) << shown;
}

TEST_F(CommandLineOfTemper, WhatABeginningRunIsToldIsNotToldAgain) {
  const auto has = [](const Outcome& outcome, const char* text) { return outcome.err.find(text) != std::string::npos; };
  const std::vector<std::string> words{"train.max_steps=1", "train.warmup_steps=5", "tuning.freeze=[\"classifier\"]",
                                       "train.schedule=constant"};
  const Outcome first = train("out", words);
  ASSERT_EQ(first.status, 0) << first.err;
  const Outcome again = train("out", words);
  ASSERT_EQ(again.status, 0) << again.err;
  for (const char* line :
       {"newly initialised: ", "new weights that no phase trains stay as they were drawn, classifier.",
        "train.warmup_steps is 5, but the run has 1 step: "}) {
    EXPECT_TRUE(has(first, line)) << line << first.err;
    EXPECT_FALSE(has(again, line)) << line << again.err;
  }
  const Outcome whole = train("whole", {"train.max_steps=1"});
  EXPECT_FALSE(has(whole, "no phase trains") || has(whole, "warmup_steps")) << whole.err;
}

TEST_F(CommandLineOfTemper, AnEndOfTheJobThatIsNoTimeIsNamed) {
  Invocation invocation;
  invocation.environment = {"SLURM_JOB_ID=25", "SLURM_JOB_END_TIME=abc"};
  const Outcome outcome = train("out", {"train.max_steps=1"}, 0, invocation);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("SLURM_JOB_END_TIME is 'abc', expected the seconds"), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace temper::system_tests
