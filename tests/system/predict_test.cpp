// eval and predict on what runs leave behind: they read as the training did, unless they are told otherwise.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/system/tiny_run.h"

namespace temper::system_tests {
namespace {

using Json = nlohmann::json;
using namespace nlohmann::literals;

class EvalAndPredict : public TinyRun {
 protected:
  Outcome temper(const std::vector<std::string>& arguments, int ranks = 0, const std::string& input = "") const {
    Invocation invocation;
    invocation.arguments = arguments;
    invocation.ranks = ranks;
    invocation.input = input;
    invocation.folder = folder_;
    return run(invocation);
  }

  static Json last_json(const Outcome& outcome) {
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return Json::parse(outcome.last_line(), nullptr, /*allow_exceptions=*/false);
  }

  static std::vector<Json> rows(const Outcome& outcome) {
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    std::vector<Json> found;
    std::istringstream lines(outcome.out);
    for (std::string line; std::getline(lines, line);) found.push_back(Json::parse(line));
    return found;
  }

  /// Trains words with entities: "good" begins one, and a class word behind it goes on with it.
  Outcome train_words(const std::string& metric, const std::string& epochs) {
    std::string lines;
    const std::vector<std::string> rows{
        R"({"words": ["we", "love", "good", "paper"], "marks": "O O B-X I-X", "id": 1})",
        R"({"words": ["the", "good", "road", "was", "bad"], "marks": "O B-X I-X O O"})",
        R"({"words": ["this", "table", "is", "good"], "marks": "O O O B-X"})",
        R"({"words": ["a", "bad", "road"], "marks": "O O O"})"};
    for (int i = 0; i < 24; ++i) {
      std::string row = rows[static_cast<std::size_t>(i) % rows.size()];
      if (row.find("\"id\"") == std::string::npos) row.insert(row.size() - 1, R"(, "id": 0)");
      lines += row + "\n";
    }
    write("data/words.jsonl", lines);
    return train("out",
                 {"model.task=token-classification", "data.train=data/words.jsonl", "data.validation=data/words.jsonl",
                  "data.test=data/words.jsonl", "data.text=words", "data.label=marks", "train.epochs=" + epochs,
                  "train.metric=" + metric, "train.batch_size=8", "output.tensorboard=false"});
  }
};

struct TaskCase {
  const char* name;
  std::vector<std::string> overrides;
};

bool is_note_of_cut_rows(const std::string& text) {
  return std::count(text.begin(), text.end(), '\n') == 1 &&
         text.ends_with(" longer than 7 tokens: what lies beyond is cut off; --max-length raises the limit\n");
}

class EveryTask : public EvalAndPredict, public testing::WithParamInterface<TaskCase> {};

TEST_P(EveryTask, IsMeasuredAsInTheRunWithoutOptions) {
  std::vector<std::string> overrides{"train.epochs=1", "data.max_length=7", "train.seed=5", "output.tensorboard=false"};
  overrides.insert(overrides.end(), GetParam().overrides.begin(), GetParam().overrides.end());
  const Json trained = last_json(train("out", overrides))["test"];
  const Outcome outcome = temper({"eval", "out/model", "data/test.csv", "--json"});
  const Json measured = last_json(outcome);
  EXPECT_TRUE(outcome.err_without_device().empty() || is_note_of_cut_rows(outcome.err_without_device())) << outcome.err;
  for (const auto& [name, value] : trained.items()) EXPECT_EQ(measured[name], value) << name;
  const Outcome other = temper({"eval", "out/model", "data/test.csv", "--json", "--max-length", "40"});
  EXPECT_NE(last_json(other)["loss"], trained["loss"]);
  EXPECT_EQ(other.err_without_device(),
            "other than in the model's training: tokens per row 40 instead of 7 (--max-length)\n");
}

INSTANTIATE_TEST_SUITE_P(
    Tasks, EveryTask,
    testing::Values(TaskCase{"classes", {}}, TaskCase{"pairs", {"data.text_pair=word_labels"}},
                    TaskCase{"numbers", {"model.task=regression", "data.label=score"}},
                    TaskCase{"labels", {"model.task=multi-label", "data.label=tags", "evaluate.threshold=0.3"}},
                    TaskCase{"words", {"model.task=token-classification", "data.label=word_labels"}},
                    TaskCase{"masks", {"model.task=masked-lm"}}),
    [](const auto& variant) { return std::string(variant.param.name); });

TEST_F(EvalAndPredict, WordsAreLabelledOnceAndJoinedToEntities) {
  const Json trained = last_json(train_words("loss", "30"));
  EXPECT_EQ(trained["test"]["entity_f1"].get<double>(), 1.0) << trained["test"];
  EXPECT_EQ(trained["test"]["entities"]["X"]["support"].get<int>(), 18);
  const std::vector<Json> found =
      rows(temper({"predict", "out/model", "data/words.jsonl", "--keep", "id", "--top", "1"}));
  ASSERT_EQ(found.size(), 24U);
  EXPECT_EQ(found[0].at("/id"_json_pointer), "1");
  EXPECT_EQ(found[0].at("/offsets"_json_pointer), "words");
  ASSERT_EQ(found[0].at("/words"_json_pointer).size(), 4U);
  EXPECT_EQ(found[0].at("/words/3/word"_json_pointer), "paper");
  EXPECT_EQ(found[0].at("/words/3/label"_json_pointer), "I-X");
  EXPECT_EQ(found[0].at("/words/3/probabilities"_json_pointer).size(), 1U);
  ASSERT_EQ(found[0].at("/entities"_json_pointer).size(), 1U);
  EXPECT_EQ(found[0].at("/entities/0/text"_json_pointer), "good paper");
  EXPECT_EQ(found[0].at("/entities/0/start"_json_pointer), 2);
  EXPECT_EQ(found[0].at("/entities/0/end"_json_pointer), 4);
  EXPECT_EQ(found[0].at("/tokens"_json_pointer).size(), 4U);

  const Outcome lines = temper({"predict", "out/model", "-", "--no-tokens", "--max-length", "5"}, 2,
                               "the good  road was bad\na bad road\n");
  const std::vector<Json> texts = rows(lines);
  ASSERT_EQ(texts.size(), 2U);
  EXPECT_EQ(texts[0].at("/entities/0/text"_json_pointer), "good  road");
  EXPECT_EQ(texts[0].at("/entities/0/start"_json_pointer), 4);
  EXPECT_EQ(texts[0].at("/entities/0/end"_json_pointer), 14);
  EXPECT_TRUE(texts[0].at("/words/4/label"_json_pointer).is_null());
  EXPECT_FALSE(texts[0].contains("tokens"));
  EXPECT_NE(lines.err.find("2 words of 1 row lie beyond 5 tokens and have no label; --max-length raises the limit"),
            std::string::npos)
      << lines.err;
}

TEST_F(EvalAndPredict, TellHowManyRowsAreCut) {
  last_json(train("out", {"train.epochs=1", "output.tensorboard=false"}));
  // Two special tokens and one per word.
  const std::string texts = "a good road\na good road was bad\na bad road was bad\n";
  const std::string note =
      "2 of 3 rows are longer than 5 tokens: what lies beyond is cut off; --max-length raises the "
      "limit\n";
  for (const int ranks : {0, 2}) {
    const Outcome cut = temper({"predict", "out/model", "-", "--max-length", "5"}, ranks, texts);
    EXPECT_EQ(rows(cut).size(), 3U);
    EXPECT_NE(cut.err.find(note), std::string::npos) << cut.err;
    EXPECT_EQ(cut.err.find("are longer than"), cut.err.rfind("are longer than")) << "once: " << cut.err;
  }
  EXPECT_EQ(temper({"predict", "out/model", "-", "--max-length", "7"}, 0, texts).err.find("longer"), std::string::npos);
  write("three.csv", "text,label\na good road,positive\na good road was bad,negative\na bad road was bad,negative\n");
  const Outcome measured = temper({"eval", "out/model", "three.csv", "--max-length", "5"}, 2);
  EXPECT_EQ(measured.status, 0) << measured.err;
  EXPECT_NE(measured.err.find(note), std::string::npos) << measured.err;
}

TEST_F(EvalAndPredict, EndInTheirOwnTimeWhenTheyAreToldTo) {
  last_json(train("out", {"train.epochs=1", "output.tensorboard=false"}));
  std::string rows = read(path("data/test.csv"));
  const std::string once = rows.substr(rows.find('\n') + 1);
  for (int i = 0; i < 300; ++i) rows += once;
  write("data/long.csv", rows);
  ASSERT_EQ(::mkfifo(path("never-ends").c_str(), 0600), 0);
  for (const std::string& command :
       {std::string("\"$0\" eval out/model data/long.csv --batch-size 1"),
        std::string("\"$0\" predict out/model data/long.csv --batch-size 1 -o labels.jsonl"),
        std::string("\"$0\" predict out/model - <>never-ends")}) {
    Invocation invocation;
    invocation.folder = folder_;
    invocation.meanwhile = [this, sent = false](pid_t process) mutable {
      // Once it keeps SIGTERM pending.
      const std::string status = read("/proc/" + std::to_string(process) + "/status");
      const std::size_t blocked = status.find("SigBlk:");
      if (sent || blocked == std::string::npos) return;
      const unsigned long long mask = std::stoull(status.substr(blocked + 7), nullptr, 16);
      if ((mask >> (SIGTERM - 1) & 1) != 0) sent = kill(process, SIGTERM) == 0;
    };
    const Outcome outcome = run_command({"sh", "-c", "exec " + command, TEMPER_PROGRAM}, invocation);
    EXPECT_EQ(outcome.status, 75) << command << ": " << outcome.err;
    EXPECT_TRUE(outcome.messages().empty()) << outcome.err;
    EXPECT_NE(outcome.err.find("stopped "), std::string::npos) << outcome.err;
    EXPECT_EQ(std::filesystem::exists(path("labels.jsonl")),
              outcome.err.find("labels.jsonl holds the predictions") != std::string::npos)
        << outcome.err;
    std::filesystem::remove(path("labels.jsonl"));
  }
}

TEST_F(EvalAndPredict, EntitiesCanChooseTheBestModelWhereThereAreSome) {
  const Json trained = last_json(train_words("entity_f1", "1"));
  EXPECT_TRUE(trained["best"].contains("entity_f1"));
  const Outcome none =
      train("none", {"model.task=token-classification", "data.label=word_labels", "train.metric=entity_f1"});
  EXPECT_EQ(none.status, 2);
  EXPECT_NE(none.err.find("no label of the words begins with B- or I-"), std::string::npos) << none.err;
}

TEST_F(EvalAndPredict, OptionsChooseWhatIsWritten) {
  last_json(train("out", {"model.task=multi-label", "data.label=tags", "train.epochs=1", "output.tensorboard=false"}));
  const std::vector<Json> few = rows(temper({"predict", "out/model", "data/test.csv", "--threshold", "0.99"}));
  const std::vector<Json> many =
      rows(temper({"predict", "out/model", "data/test.csv", "--threshold", "0.01", "--keep-all", "--top", "1"}));
  ASSERT_EQ(few.size(), many.size());
  EXPECT_TRUE(few[0].at("/labels"_json_pointer).empty());
  EXPECT_EQ(many[0].at("/labels"_json_pointer).size(), 3U);
  EXPECT_EQ(many[0].at("/probabilities"_json_pointer).size(), 1U);
  EXPECT_TRUE(many[0].contains("tags"));
  EXPECT_TRUE(many[0].contains("input_label"));
  EXPECT_EQ(few[0].size(), 3U) << few[0];
  for (const std::vector<std::string>& wrong : std::vector<std::vector<std::string>>{
           {"--threshold", "1"}, {"--threshold", "0"}, {"--top", "0"}, {"--max-length", "0"}}) {
    std::vector<std::string> arguments{"predict", "out/model", "data/test.csv"};
    arguments.insert(arguments.end(), wrong.begin(), wrong.end());
    EXPECT_EQ(temper(arguments).status, 2) << wrong[0];
  }
  for (const std::vector<std::string>& needless :
       std::vector<std::vector<std::string>>{{"--stride", "8"}, {"--documents", "file"}}) {
    std::vector<std::string> arguments{"predict", "out/model", "data/test.csv"};
    arguments.insert(arguments.end(), needless.begin(), needless.end());
    const Outcome refused = temper(arguments);
    EXPECT_EQ(refused.status, 2) << needless[0];
    EXPECT_NE(refused.err.find("leave the option out"), std::string::npos) << refused.err;
  }
  const Outcome answers = temper({"eval", "out/model", "data/test.csv", "--temperature", "0.5"});
  EXPECT_EQ(answers.status, 2);
  EXPECT_NE(answers.err.find("--temperature is about generated answers"), std::string::npos) << answers.err;
  const Outcome missing = temper({"predict", "out/model", "data/test.csv", "--keep", "scroe"});
  EXPECT_EQ(missing.status, 1);
  EXPECT_NE(missing.err.find("did you mean \"score\"?"), std::string::npos) << missing.err;
}

TEST_F(EvalAndPredict, WhatARunLeavesBehindIsNamed) {
  last_json(train("out", {"train.epochs=1", "output.tensorboard=false"}));
  for (const char* command : {"predict", "eval"}) {
    const Outcome folder = temper({command, "out", "data/test.csv"});
    EXPECT_EQ(folder.status, 1);
    EXPECT_NE(folder.err.find("the run's model is out/model"), std::string::npos) << folder.err;
    const Outcome checkpoint = temper({command, "out/checkpoints/checkpoint-00000007.h5", "data/test.csv"});
    EXPECT_EQ(checkpoint.status, 1);
    EXPECT_NE(checkpoint.err.find("temper export out/checkpoints/checkpoint-00000007.h5 -o"), std::string::npos)
        << checkpoint.err;
  }
  // A model of a checkpoint knows the training as well.
  ASSERT_EQ(temper({"export", "out/checkpoints/checkpoint-00000007.h5", "-o", "exported"}).status, 0);
  EXPECT_EQ(read(path("exported/temper.json")), read(path("out/model/temper.json")));
  const Json inspected = last_json(temper({"inspect", "exported", "--json"}));
  EXPECT_EQ(inspected.at("/training/max_length"_json_pointer), 32);
}

TEST_F(EvalAndPredict, WhatARunLeavesBehindIsNamedElsewhereToo) {
  last_json(train("out", {"train.epochs=1", "output.tensorboard=false"}));
  const Outcome inspected = temper({"inspect", "out"});
  EXPECT_EQ(inspected.status, 1);
  EXPECT_NE(inspected.err.find("the run's model is out/model"), std::string::npos) << inspected.err;
  for (const char* folder : {"out", "out/checkpoints"}) {
    const Outcome exported = temper({"export", folder, "-o", "exported"});
    EXPECT_EQ(exported.status, 1);
    EXPECT_NE(exported.err.find("its newest is out/checkpoints/checkpoint-00000007.h5"), std::string::npos)
        << exported.err;
  }
}

TEST_F(EvalAndPredict, TheInputIsNotTheOutput) {
  const std::string before = read(path("data/test.csv"));
  std::filesystem::create_symlink("data/test.csv", path("link.csv"));
  for (const char* output : {"data/test.csv", "data/../data/test.csv", "link.csv"}) {
    // Before anything is read: there is no model.
    const Outcome outcome = temper({"predict", "absent", "data/test.csv", "-o", output});
    EXPECT_EQ(outcome.status, 2) << output;
    EXPECT_NE(outcome.err.find("is the input as well"), std::string::npos) << outcome.err;
  }
  EXPECT_EQ(read(path("data/test.csv")), before);
}

TEST_F(EvalAndPredict, ALinkForPredictionsIsFollowed) {
  last_json(train("out", {"train.epochs=1", "output.tensorboard=false"}));
  std::filesystem::create_symlink("target.jsonl", path("link.jsonl"));
  ASSERT_EQ(temper({"predict", "out/model", "data/test.csv", "-o", "link.jsonl"}).status, 0);
  EXPECT_TRUE(std::filesystem::is_symlink(path("link.jsonl")));
  EXPECT_EQ(read(path("target.jsonl")), temper({"predict", "out/model", "data/test.csv"}).out);
}

TEST_F(EvalAndPredict, PairsAreAskedForOnStandardInputToo) {
  last_json(train("out", {"train.epochs=1", "data.text_pair=word_labels", "output.tensorboard=false"}));
  const Outcome outcome = temper({"predict", "out/model", "-"}, 0, "a good road\n");
  EXPECT_EQ(outcome.status, 1);
  for (const char* part : {"standard input", "word_labels", "--text-pair \"\""})
    EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
  EXPECT_EQ(rows(temper({"predict", "out/model", "-", "--text-pair", ""}, 0, "a good road\n")).size(), 1U);
}

TEST_F(EvalAndPredict, WeightsThatAreNoNumbersAreNamed) {
  last_json(train("out", {"train.epochs=1", "output.tensorboard=false"}));
  const std::string name = spoil_weight("out/model/model.safetensors");
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"predict", "out/model", "data/test.csv", "-o", "labels.jsonl"},
        {"eval", "out/model", "data/test.csv"}}) {
    const Outcome outcome = temper(command);
    EXPECT_EQ(outcome.status, 1) << command[0];
    EXPECT_NE(outcome.err.find("not finite; the weights '" + name), std::string::npos) << outcome.err;
  }
  EXPECT_FALSE(std::filesystem::exists(path("labels.jsonl")));
}

TEST_F(EvalAndPredict, LabelNamesOfATaskWithoutLabelsAreRefused) {
  for (const char* task : {"regression", "masked-lm"}) {
    const Outcome outcome =
        train("out", {std::string("model.task=") + task, "data.label=score", "data.labels=[\"a\", \"b\"]"});
    EXPECT_EQ(outcome.status, 2);
    EXPECT_NE(outcome.err.find(std::string("data.labels names 2 labels, but ") + task + " has none"), std::string::npos)
        << outcome.err;
  }
}

TEST_F(EvalAndPredict, AHeadThatIsKeptUnderOtherNamesIsSaid) {
  last_json(train("first", {"train.epochs=1", "output.tensorboard=false"}));
  const Outcome again = train("second", {"model.path=first/model", "train.epochs=1", "output.tensorboard=false",
                                         R"(data.labels=["neutral", "negative", "positive"])"});
  EXPECT_EQ(again.status, 0);
  EXPECT_NE(again.err.find("the stored head is kept, though the model calls its labels"), std::string::npos)
      << again.err;
  const Outcome same = train("third", {"model.path=first/model", "train.epochs=1", "output.tensorboard=false"});
  EXPECT_EQ(same.err.find("the stored head"), std::string::npos) << same.err;
}

}  // namespace
}  // namespace temper::system_tests
