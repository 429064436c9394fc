// output.dir: one run at a time, apart from what is read, nothing of an older run lost or mixed in.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <fstream>
#include <set>

#include "tests/system/tiny_run.h"

namespace temper::system_tests {
namespace {

namespace fs = std::filesystem;

class RunFolder : public TinyRun {
 protected:
  /// Every file and folder of the test with its size and time.
  [[nodiscard]] std::set<std::string> everything() const {
    std::set<std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(folder_)) {
      const bool file = entry.is_regular_file();
      found.insert(entry.path().string() + " " + (file ? std::to_string(entry.file_size()) : "") + " " +
                   (file ? std::to_string(entry.last_write_time().time_since_epoch().count()) : ""));
    }
    return found;
  }
  [[nodiscard]] std::vector<std::string> names_in(const std::string& folder) const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(path(folder))) names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
  }
  static void expect_named(const Outcome& outcome, int status, const std::vector<std::string>& parts) {
    EXPECT_EQ(outcome.status, status) << outcome.err;
    ASSERT_EQ(outcome.messages().size(), 1U) << outcome.err;
    for (const std::string& part : parts)
      EXPECT_NE(outcome.messages()[0].find(part), std::string::npos) << part << " in: " << outcome.messages()[0];
  }
  Outcome run_here(const std::vector<std::string>& command) const {
    Invocation invocation;
    invocation.folder = folder_;
    return run_command(command, invocation);
  }
};

TEST_F(RunFolder, IsRefusedToASecondRunWhileTheFirstOneLives) {
  Outcome second;
  Invocation first;
  first.meanwhile = [&, tried = false](pid_t process) mutable {
    const std::string log = read(path("out/metrics.jsonl"));
    if (tried || std::count(log.begin(), log.end(), '\n') < 5) return;
    tried = true;
    second = train("out", {"train.epochs=400", "checkpoint.every_steps=50"}, 2);
    kill(process, SIGTERM);
  };
  const Outcome outcome = train("out", {"train.epochs=400", "checkpoint.every_steps=50"}, 0, first);
  EXPECT_EQ(outcome.status, 75) << outcome.err;
  expect_named(second, 1, {"out", "in use by process", "since"});
  for (const std::string& name : names_in("out/checkpoints")) EXPECT_TRUE(name.ends_with(".h5")) << name;
  EXPECT_FALSE(fs::exists(path("out/run.lock"))) << "it goes with its run";
}

TEST_F(RunFolder, NeedsNoFileLocks) {
  const auto without_locks = [&](int ranks, const std::vector<std::string>& settings) {
    Invocation invocation;
    invocation.ranks = ranks;
    invocation.arguments = {"train", "run.toml", "--set", "output.dir=out"};
    for (const std::string& setting : settings) {
      invocation.arguments.emplace_back("--set");
      invocation.arguments.push_back(setting);
    }
    std::vector<std::string> command = command_line(invocation);
    command.insert(command.begin() + (ranks > 0 ? 6 : 0),
                   {"env", "LD_PRELOAD=" TEMPER_NO_FILE_LOCKS, "ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0"});
    return run_here(command);
  };
  const std::vector<std::string> settings{"train.epochs=2",
                                          "train.grains=2",
                                          "checkpoint.every_steps=4",
                                          "tuning.freeze=[\"embeddings\"]",
                                          "run.keep_cache=true",
                                          "run.cache_memory_mib=0",
                                          "run.cache_dir=" + path("frozen").string()};
  fs::create_directories(path("frozen"));
  ASSERT_EQ(train("whole", settings).status, 0);
  const Outcome made = without_locks(2, settings);
  ASSERT_EQ(made.status, 0) << made.err;
  EXPECT_TRUE(weights("out") == weights("whole"));
  // Goes on from what is there.
  fs::remove(path("out/checkpoints/checkpoint-00000014.h5"));
  const Outcome again = without_locks(0, settings);
  ASSERT_EQ(again.status, 0) << again.err;
  EXPECT_NE(again.err.find("resuming from step 12"), std::string::npos) << again.err;
  EXPECT_TRUE(weights("out") == weights("whole"));
}

TEST_F(RunFolder, MustLieApartFromTheBaseModel) {
  fs::create_directories(path("out"));
  fs::copy(path("model"), path("out/model"));
  fs::create_directory_symlink(path("out/model"), path("linked"));
  const auto expect_refused = [&](const std::string& output, const std::string& model, int ranks = 0) {
    const std::set<std::string> before = everything();
    const Outcome outcome = train(output, {"model.path=" + model, "checkpoint.resume=false"}, ranks);
    expect_named(outcome, 2, {output, model});
    EXPECT_EQ(outcome.err.find("step 1/"), std::string::npos);
    EXPECT_EQ(everything(), before) << output << " of " << model;
  };
  expect_refused("out", "out/model");
  expect_refused("out", "out/model", 2);
  expect_refused("out", "linked");
  expect_refused("model", "model");
  expect_refused("model/run", "model");
}

TEST_F(RunFolder, IsEmptiedOfAnOlderRunByAFreshStart) {
  ASSERT_EQ(train("out", {"train.epochs=1"}).status, 0);
  const std::vector<std::string> made = names_in("out");
  const std::string log = read(path("out/metrics.jsonl"));
  ASSERT_EQ(train("out", {"train.epochs=1", "checkpoint.resume=false"}).status, 0);
  for (const char* name : {"checkpoints", "configuration.toml", "metrics.jsonl", "model", "tensorboard"}) {
    EXPECT_TRUE(fs::exists(path("out") / (std::string(name) + ".old-1"))) << name;
    EXPECT_TRUE(fs::exists(path("out") / name)) << name;
  }
  EXPECT_EQ(read(path("out/metrics.jsonl.old-1")), log);
  EXPECT_EQ(names_in("out/tensorboard").size(), 1U) << "TensorBoard takes two files for one run";
  ASSERT_EQ(train("out", {"train.epochs=1", "checkpoint.resume=false"}).status, 0);
  for (const std::string& name : made)
    EXPECT_TRUE(name == "cache" || fs::exists(path("out") / (name + ".old-2"))) << name;
}

TEST_F(RunFolder, AFreshRunThatIsRefusedMovesNothing) {
  ASSERT_EQ(train("out", {"train.epochs=1"}).status, 0);
  const std::vector<std::string> before = names_in("out");
  const std::vector<std::pair<std::string, std::string>> mistakes{
      {R"(tuning.freeze=["encodr"])", "encodr"},
      {R"(tuning.freeze=["*", "pooler", "classifier"])", "nothing is left to train"},
      {R"(tuning.rates={ clasifier = 2.0 })", "clasifier"},
      {R"(tuning.phases=[{ freeze = ["*"], steps = 2 }, { freeze = ["encodr"] }])", "encodr"}};
  for (const auto& [mistake, named] : mistakes) {
    expect_named(train("out", {"train.epochs=1", "checkpoint.resume=false", mistake}), 2, {named});
    EXPECT_EQ(names_in("out"), before) << mistake;
  }
  Invocation both;
  both.folder = folder_;
  both.arguments = {"train", "run.toml", "--fresh", "--resume"};
  expect_named(run(both), 2, {"--fresh", "--resume"});
}

TEST_F(RunFolder, KeepsCheckpointsThatCannotBeRead) {
  ASSERT_EQ(train("out", {"train.epochs=2", "output.export_model=false"}).status, 0);
  const fs::path newest = path("out/checkpoints/checkpoint-00000014.h5");
  fs::rename(newest, path("aside.h5"));
  // An error of open(2) that root meets as well.
  fs::create_symlink(newest, newest);
  const std::vector<std::string> before = names_in("out/checkpoints");
  expect_named(train("out", {"train.epochs=2", "output.export_model=false"}), 1,
               {newest.filename().string(), "symbolic links"});
  EXPECT_EQ(names_in("out/checkpoints"), before);
  EXPECT_FALSE(fs::exists(path("out/checkpoints.old-1")));
  fs::remove(newest);
  fs::rename(path("aside.h5"), newest);
  EXPECT_NE(train("out", {"train.epochs=2", "output.export_model=false"}).out.find("\"already_finished\":true"),
            std::string::npos);
}

TEST_F(RunFolder, TrainingThatCannotBeMeasuredIsRefused) {
  const std::string no_validation = "data.validation=\"\"";
  expect_named(train("out", {no_validation, "train.early_stopping=2"}), 2, {"train.early_stopping = 2", "0 of 203"});
  expect_named(train("out", {no_validation, "train.early_stopping=2"}, 2), 2, {"train.early_stopping = 2"});
  expect_named(train("out", {no_validation, "data.validation_fraction=0.0001"}), 2,
               {"data.validation_fraction = 0.0001", "0 of the 203"});
  expect_named(
      train("out", {no_validation, "tuning.phases=[{ freeze = [\"*\"], epochs = 1, plateau_patience = 1 }, {}]"}), 2,
      {"plateau_patience = 1"});
  EXPECT_FALSE(fs::exists(path("out/metrics.jsonl")));
}

TEST_F(RunFolder, AnotherTrainingFileIsNamed) {
  ASSERT_EQ(train("out", {"train.epochs=1"}).status, 0);
  fs::copy_file(path("data/validation.csv"), path("data/other.csv"));
  expect_named(train("out", {"train.epochs=1", "data.train=data/other.csv"}), 2,
               {"train.csv", "data.train names other.csv", "--fresh"});
}

TEST_F(RunFolder, AnExportFromElsewhereAsksForTheBase) {
  ASSERT_EQ(train("out", {"train.epochs=1"}).status, 0);
  fs::create_directories(path("elsewhere"));
  Invocation command;
  command.folder = path("elsewhere");
  command.arguments = {"export", "../out/checkpoints/checkpoint-00000007.h5", "-o", "exported"};
  expect_named(run(command), 1, {"model", "--base"});
  command.arguments.insert(command.arguments.end(), {"--base", "../model"});
  EXPECT_EQ(run(command).status, 0);
  EXPECT_TRUE(read(path("elsewhere/exported/model.safetensors")) == weights("out"));
}

TEST_F(RunFolder, WeightsThatAreNoNumbersAreNamed) {
  const std::string name = spoil_weight("model/model.safetensors");
  const Outcome outcome = train("out", {});
  expect_named(outcome, 1, {"step 1", "not finite", "the weights '" + name});
  // There is no checkpoint to go back to, and no step was taken that could have been too large.
  for (const char* absent : {"checkpoint is good", "learning rate"})
    EXPECT_EQ(outcome.err.find(absent), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace temper::system_tests
