// docs/design.md, "Determinism": the same bits on any number of ranks up to the number of grains.
#include <gtest/gtest.h>

#include "tests/system/tiny_run.h"

namespace temper::system_tests {
namespace {

class SameBits : public TinyRun {
 protected:
  /// 28 steps with dropout, accumulation, clipping and a last batch of 11 rows.
  const std::vector<std::string> overrides_{"train.grains=8", "train.epochs=4", "train.gradient_accumulation=2",
                                            "train.clip_norm=0.5", "output.tensorboard=false"};
};

TEST_F(SameBits, OnOneTwoThreeFourAndEightRanks) {
  const Outcome alone = train("alone", overrides_);
  ASSERT_EQ(alone.status, 0) << alone.err;
  const std::string expected = weights("alone");
  ASSERT_FALSE(expected.empty());
  for (const int ranks : {1, 2, 3, 4, 8}) {
    const std::string output = "on-" + std::to_string(ranks);
    const Outcome outcome = train(output, overrides_, ranks);
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_TRUE(weights(output) == expected) << ranks << " ranks";
  }
}

TEST_F(SameBits, InBFloat16OnOneTwoAndThreeRanks) {
  std::vector<std::string> overrides = overrides_;
  overrides.insert(overrides.end(), {"train.precision=bf16", "train.grains=3", "train.epochs=2"});
  ASSERT_EQ(train("one", overrides).status, 0);
  const std::string expected = weights("one");
  ASSERT_FALSE(expected.empty());
  for (const int ranks : {2, 3}) {
    ASSERT_EQ(train("on-" + std::to_string(ranks), overrides, ranks).status, 0);
    EXPECT_TRUE(weights("on-" + std::to_string(ranks)) == expected) << ranks << " ranks";
  }
}

TEST_F(SameBits, WithEveryUpdateRule) {
  for (const std::string rule : {"sgd", "adafactor", "lion"}) {
    std::vector<std::string> overrides = overrides_;
    overrides.insert(overrides.end(), {"train.optimizer=" + rule, "train.learning_rate=1e-3", "train.epochs=2",
                                       "train.scale_parameter=" + std::string(rule == "adafactor" ? "true" : "false")});
    ASSERT_EQ(train(rule, overrides).status, 0);
    const std::string expected = weights(rule);
    ASSERT_FALSE(expected.empty());
    for (const int ranks : {2, 3}) {
      const std::string output = rule + "-on-" + std::to_string(ranks);
      const Outcome outcome = train(output, overrides, ranks);
      ASSERT_EQ(outcome.status, 0) << outcome.err;
      EXPECT_TRUE(weights(output) == expected) << rule << " on " << ranks << " ranks";
    }
  }
}

TEST_F(SameBits, WithMoreRanksThanRowsInTheLastBatch) {
  // 203 rows in batches of 50 leave 3 for the last batch.
  const std::vector<std::string> overrides{"train.grains=4", "train.epochs=1", "train.batch_size=50"};
  ASSERT_EQ(train("one", overrides).status, 0);
  ASSERT_EQ(train("four", overrides, 4).status, 0);
  EXPECT_TRUE(weights("one") == weights("four"));
}

TEST_F(SameBits, WithActivationsComputedAgain) {
  ASSERT_EQ(train("kept", overrides_).status, 0);
  const std::string expected = weights("kept");
  for (const char* interval : {"blocks", "2"})
    for (const int ranks : {1, 2, 3}) {
      std::vector<std::string> overrides = overrides_;
      overrides.push_back(std::string("train.checkpoint_activations=") + interval);
      const std::string output = std::string(interval) + "-on-" + std::to_string(ranks);
      const Outcome outcome = train(output, overrides, ranks);
      ASSERT_EQ(outcome.status, 0) << outcome.err;
      EXPECT_TRUE(weights(output) == expected) << interval << " on " << ranks << " ranks";
    }
}

TEST_F(SameBits, TwiceTheSameRun) {
  ASSERT_EQ(train("first", {"train.epochs=1"}, 2).status, 0);
  ASSERT_EQ(train("second", {"train.epochs=1"}, 2).status, 0);
  EXPECT_TRUE(weights("first") == weights("second"));
}

TEST_F(SameBits, OnWeightsOtherThanTheirOwnSeed) {
  ASSERT_EQ(train("first", {"train.epochs=1"}).status, 0);
  ASSERT_EQ(train("second", {"train.epochs=1", "train.seed=1"}).status, 0);
  EXPECT_FALSE(weights("first") == weights("second")) << "another seed must give other weights";
}

}  // namespace
}  // namespace temper::system_tests
