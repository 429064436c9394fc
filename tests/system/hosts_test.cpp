// Hosts that do not have the same files. Two ranks that are started in two folders stand for two hosts, whose relative
// paths lead to files of their own.
#include <gtest/gtest.h>

#include "tests/system/tiny_run.h"

namespace temper::system_tests {
namespace {

namespace fs = std::filesystem;

class Hosts : public TinyRun {
 protected:
  void SetUp() override {
    TinyRun::SetUp();
    for (const char* host : {"h1", "h2"}) {
      fs::create_directory(path(host));
      for (const char* name : {"model", "data", "run.toml"})
        fs::copy(path(name), path(host) / name, fs::copy_options::recursive);
    }
  }
  Outcome run_on_both(const std::vector<std::string>& arguments) const {
    std::vector<std::string> command{TEMPER_MPIEXEC, "--oversubscribe", "--bind-to", "none"};
    for (const char* host : {"h1", "h2"}) {
      if (command.size() > 4) command.emplace_back(":");
      command.insert(command.end(), {"-n", "1", "-wdir", path(host).string(), TEMPER_PROGRAM});
      command.insert(command.end(), arguments.begin(), arguments.end());
    }
    return run_command(command, {});
  }
  Outcome train_on_both(const std::string& output) const {
    return run_on_both({"train", "run.toml", "--set", "output.dir=" + output, "--set", "train.epochs=1"});
  }
  static void expect_named(const Outcome& outcome, const std::vector<std::string>& parts) {
    EXPECT_EQ(outcome.status, 1) << outcome.err;
    ASSERT_EQ(outcome.messages().size(), 1U) << outcome.err;
    for (const std::string& part : parts)
      EXPECT_NE(outcome.messages()[0].find(part), std::string::npos) << part << " in: " << outcome.messages()[0];
    EXPECT_EQ(outcome.err.find("step 1/"), std::string::npos) << outcome.err;
  }
  /// Changes a byte, so that neither size nor form do.
  void change(const fs::path& file, const std::string& found, const std::string& instead) const {
    std::string text = read(file);
    const std::size_t place = text.rfind(found);
    ASSERT_NE(place, std::string::npos);
    write(fs::relative(file, folder_), text.replace(place, found.size(), instead));
  }
};

TEST_F(Hosts, WithCopiesOfTheSameFilesTrainAsOneHostDoes) {
  const Outcome outcome = train_on_both(path("out").string());
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  ASSERT_EQ(train("alone", {"train.epochs=1"}, 2).status, 0);
  EXPECT_TRUE(weights("out") == weights("alone"));
}

TEST_F(Hosts, WithAnotherDataFileAreRefused) {
  change(path("h2/data/train.csv"), "negative", "positive");
  expect_named(train_on_both(path("out").string()), {"data/train.csv", "(rank 0)", "(rank 1)"});
  fs::resize_file(path("h2/data/train.csv"), 500);
  expect_named(train_on_both(path("out").string()), {"data/train.csv", "500 bytes on", "(rank 1)"});
  EXPECT_FALSE(fs::exists(path("out")));
}

TEST_F(Hosts, WithAnotherModelAreRefused) {
  for (const char* name : {"config.json", "tokenizer.json", "model.safetensors"}) {
    const std::string before = read(path("h2/model") / name);
    std::string text = before;
    text.back() = text.back() == ' ' ? '\n' : static_cast<char>(text.back() ^ 1);
    write(std::string("h2/model/") + name, text);
    expect_named(train_on_both(path("out").string()), {std::string("model/") + name, "(rank 1)"});
    write(std::string("h2/model/") + name, before);
  }
  fs::remove(path("h2/model/tokenizer.json"));
  expect_named(train_on_both(path("out").string()), {"model/tokenizer.json", "(rank 1)", "No such file"});
}

TEST_F(Hosts, ThatDoNotShareTheOutputFolderAreRefusedByName) {
  expect_named(train_on_both("out"), {"out", "(rank 1) does not see", "share"});
  EXPECT_FALSE(fs::exists(path("h1/out/checkpoints")));
  EXPECT_FALSE(fs::exists(path("h2/out")));
}

TEST_F(Hosts, AreComparedByEvaluationAndPredictionAsWell) {
  ASSERT_EQ(train("out", {"train.epochs=1"}).status, 0);
  for (const char* host : {"h1", "h2"}) fs::copy(path("out/model"), path(host) / "fitted");
  EXPECT_EQ(run_on_both({"eval", "fitted", "data/test.csv"}).status, 0);
  const std::string rows = read(path("h2/data/test.csv"));
  change(path("h2/data/test.csv"), "negative", "positive");
  expect_named(run_on_both({"predict", "fitted", "data/test.csv"}), {"data/test.csv", "(rank 1)"});
  expect_named(run_on_both({"eval", "fitted", "data/test.csv"}), {"data/test.csv", "(rank 1)"});
  write("h2/data/test.csv", rows);
  std::string weights = read(path("h2/fitted/model.safetensors"));
  weights.back() = static_cast<char>(weights.back() ^ 1);
  write("h2/fitted/model.safetensors", weights);
  expect_named(run_on_both({"predict", "fitted", "data/test.csv"}), {"fitted/model.safetensors", "(rank 1)"});
}

}  // namespace
}  // namespace temper::system_tests
