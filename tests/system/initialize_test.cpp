// model.initialize: whole runs on a folder without weights.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "tests/system/tiny_run.h"

namespace temper::system_tests {
namespace {

class FromNothingRun : public TinyRun {
 protected:
  void SetUp() override {
    TinyRun::SetUp();
    std::filesystem::remove(path("model/model.safetensors"));
  }

  static std::vector<std::string> initialized(const std::vector<std::string>& more = {}) {
    std::vector<std::string> overrides{"model.initialize=true", "train.epochs=2", "train.grains=2",
                                       "train.schedule=\"constant\"", "output.tensorboard=false"};
    overrides.insert(overrides.end(), more.begin(), more.end());
    return overrides;
  }
};

TEST_F(FromNothingRun, NeedsItsKey) {
  const Outcome outcome = train("out", {"train.epochs=1"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.err.find("set model.initialize = true"), std::string::npos) << outcome.err;
}

TEST_F(FromNothingRun, GivesTheSameBitsOnAnyNumberOfRanksAndOfEachSeed) {
  const Outcome alone = train("one", initialized());
  ASSERT_EQ(alone.status, 0) << alone.err;
  EXPECT_NE((alone.out + alone.err).find("a model from nothing"), std::string::npos) << alone.out << alone.err;
  ASSERT_EQ(train("two", initialized(), 2).status, 0);
  EXPECT_EQ(weights("one"), weights("two"));
  ASSERT_EQ(train("seed", initialized({"train.seed=3"})).status, 0);
  EXPECT_NE(weights("one"), weights("seed"));
}

TEST_F(FromNothingRun, GoesOnAndIsExportedFromItsCheckpoint) {
  ASSERT_EQ(train("whole", initialized()).status, 0);
  ASSERT_EQ(train("parts", initialized({"train.max_steps=5", "checkpoint.every_steps=5"})).status, 0);
  const Outcome rest = train("parts", initialized({"checkpoint.every_steps=5"}));
  ASSERT_EQ(rest.status, 0) << rest.err;
  Invocation invocation;
  invocation.folder = folder_;
  std::filesystem::path newest;
  for (const auto& entry : std::filesystem::directory_iterator(path("whole/checkpoints")))
    newest = std::max(newest, entry.path());
  invocation.arguments = {"export", newest.string(), "-o", "exported"};
  const Outcome exported = run(invocation);
  EXPECT_EQ(exported.status, 0) << exported.err;
}

}  // namespace
}  // namespace temper::system_tests
