// Files that are mixed by weight: the same bits on any number of ranks, resumed, and with the output of frozen layers
// computed once.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>

#include "tests/system/tiny_run.h"

namespace temper::system_tests {
namespace {

class MixedFiles : public TinyRun {
 protected:
  void SetUp() override {
    TinyRun::SetUp();
    std::string old = "text,label\n";
    for (int i = 0; i < 50; ++i) old += i % 2 == 0 ? "the good road,x\n" : "a bad stone,y\n";
    write("data/old.csv", old);
    std::string now = "text,label\n";
    for (int i = 0; i < 40; ++i) now += i % 2 == 0 ? "a good day,x\n" : "the bad day,y\n";
    write("data/new.csv", now);
  }
  static std::vector<std::string> overrides(const std::vector<std::string>& more = {}) {
    std::vector<std::string> all{"data.train=[\"data/new.csv\", \"data/old.csv\"]",
                                 "data.train_weights=[4, 1]",
                                 "data.validation=\"\"",
                                 "data.test=\"\"",
                                 "train.batch_size=8",
                                 "train.grains=4",
                                 "train.epochs=4",
                                 "train.class_weights=balanced",
                                 "checkpoint.every_steps=5",
                                 "output.tensorboard=false"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
};

TEST_F(MixedFiles, GiveTheSameBitsOnOneToThreeRanksAndResumed) {
  for (const std::vector<std::string>& more :
       {std::vector<std::string>{}, {"tuning.freeze=[\"embeddings\", \"encoder.layer.0\"]", "model.dropout=0"}}) {
    const std::string name = more.empty() ? "whole" : "frozen";
    const Outcome alone = train(name, overrides(more));
    ASSERT_EQ(alone.status, 0) << alone.err;
    EXPECT_NE(
        alone.err.find("an epoch takes 50 rows: 40 of data/new.csv (each once), 10 of data/old.csv (of 50, 20 % of "
                       "them)"),
        std::string::npos)
        << alone.err;
    for (const int ranks : {2, 3}) {
      const std::string output = name + std::to_string(ranks);
      ASSERT_EQ(train(output, overrides(more), ranks).status, 0);
      EXPECT_TRUE(weights(output) == weights(name)) << output;
    }
    // Stopped in the middle of an epoch, where part of the old rows are behind it.
    std::vector<std::string> short_run = overrides(more);
    Invocation stopped;
    const std::string output = name + "-resumed";
    stopped.meanwhile = [this, output, sent = false](pid_t process) mutable {
      const std::string log = read(path(output) / "metrics.jsonl");
      if (sent || std::count(log.begin(), log.end(), '\n') < 3) return;
      sent = true;
      kill(process, SIGTERM);
    };
    short_run.emplace_back("output.log_every=1");
    const Outcome first = train(output, short_run, 0, stopped);
    ASSERT_TRUE(first.status == 0 || first.status == 75) << first.err;
    ASSERT_EQ(train(output, short_run, 2).status, 0);
    EXPECT_TRUE(weights(output) == weights(name)) << output;
  }
}

TEST_F(MixedFiles, OtherWeightsAreAnotherRun) {
  ASSERT_EQ(train("out", overrides({"train.max_steps=5"})).status, 0);
  const Outcome other = train("out", overrides({"train.max_steps=5", "data.train_weights=[1, 1]"}));
  EXPECT_EQ(other.status, 2);
  EXPECT_NE(other.err.find("it differs in data.train_weights"), std::string::npos) << other.err;
}

TEST_F(MixedFiles, TheSameFilesUnderOtherNamesAreAnotherRun) {
  for (const char* name : {"m1.csv", "m2.csv", "m3.csv"})
    write(std::string("data/") + name, read(path("data/new.csv")));
  write("data/m1.csv", read(path("data/new.csv")) + "one more,x\n");
  write("data/m3.csv", read(path("data/new.csv")) + "and two,y\n");
  const auto named = [](const char* names) {
    return overrides({std::string("data.train=") + names, "train.max_steps=5"});
  };
  ASSERT_EQ(train("out", named(R"(["data/m[12].csv", "data/m3.csv"])")).status, 0);
  ASSERT_EQ(train("out", named(R"(["data/m[1-2].csv", "data/m3.csv"])")).status, 0) << "another pattern for the same";
  const Outcome other = train("out", named(R"(["data/m1.csv", "data/m[23].csv"])"));
  EXPECT_EQ(other.status, 2);
  EXPECT_NE(
      other.err.find("data.train_weights: m1.csv and m2.csv; m3.csv; now its names group the same files as m1.csv; "
                     "m2.csv and m3.csv"),
      std::string::npos)
      << other.err;
}

TEST_F(MixedFiles, HoldTheirMaskedTokensApart) {
  const std::vector<std::string> masked =
      overrides({"model.task=masked-lm", "train.class_weights=none", "train.max_steps=4", "model.initialize=true"});
  const Outcome alone = train("masked", masked);
  ASSERT_EQ(alone.status, 0) << alone.err;
  ASSERT_EQ(train("masked2", masked, 2).status, 0);
  EXPECT_TRUE(weights("masked") == weights("masked2"));
}

}  // namespace
}  // namespace temper::system_tests
