// When a run saves and stops, by a clock that stands still unless it is moved.
#include "runtime/checkpoints/save_policy.h"

#include <gtest/gtest.h>

#include <limits>

namespace temper {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

class SavePolicyTest : public testing::Test {
 protected:
  SavePolicy policy(std::int64_t every_steps, double every_minutes, TimeLimit limit = TimeLimit(0.0, 0.0, {})) {
    CheckpointSection checkpoint;
    checkpoint.every_steps = every_steps;
    checkpoint.every_minutes = every_minutes;
    return {checkpoint, limit, [this] { return signalled_; }, [this] { return now_; }};
  }
  static TrainingState at(std::int64_t step, std::int64_t step_in_epoch) {
    TrainingState state;
    state.step = step;
    state.step_in_epoch = step_in_epoch;
    return state;
  }

  Clock::time_point now_{minutes(100)};
  bool signalled_ = false;
};

TEST_F(SavePolicyTest, EveryFewStepsWhereverEpochsEnd) {
  const SavePolicy saves = policy(4, 0.0);
  EXPECT_FALSE(saves.is_due({}, at(3, 3)));
  EXPECT_TRUE(saves.is_due({}, at(4, 4)));
  EXPECT_FALSE(saves.is_due({}, at(5, 0)));
  EXPECT_TRUE(saves.is_due({}, at(8, 3)));
}

TEST_F(SavePolicyTest, AtTheEndOfAnEpochUnlessStepsAreAskedFor) {
  const SavePolicy saves = policy(0, 0.0);
  EXPECT_FALSE(saves.is_due({}, at(6, 6)));
  EXPECT_TRUE(saves.is_due({}, at(7, 0)));
}

TEST_F(SavePolicyTest, MinutesAreAWishUntilAllRanksKnowOfIt) {
  SavePolicy saves = policy(100, 2.0);
  now_ += minutes(2);
  EXPECT_FALSE(saves.requests().save) << "not before they are over";
  now_ += seconds(1);
  EXPECT_TRUE(saves.requests().save);
  EXPECT_FALSE(saves.requests().stop);
  EXPECT_FALSE(saves.is_due({}, at(5, 5))) << "this rank's clock alone saves nothing";
  StepOutcome outcome;
  outcome.save_due = true;
  EXPECT_TRUE(saves.is_due(outcome, at(5, 5)));
}

TEST_F(SavePolicyTest, MinutesBeginAnewWithEachCheckpoint) {
  SavePolicy saves = policy(0, 1.0);
  now_ += minutes(5);
  ASSERT_TRUE(saves.requests().save);
  saves.saved(0.5);
  EXPECT_FALSE(saves.requests().save);
  now_ += seconds(61);
  EXPECT_TRUE(saves.requests().save);
}

TEST_F(SavePolicyTest, WithoutMinutesTheClockSaysNothing) {
  const SavePolicy saves = policy(0, 0.0);
  now_ += minutes(100'000);
  EXPECT_FALSE(saves.requests().save);
}

TEST_F(SavePolicyTest, ASignalIsAWishToStop) {
  const SavePolicy saves = policy(0, 0.0);
  EXPECT_FALSE(saves.wants_to_stop());
  signalled_ = true;
  EXPECT_TRUE(saves.wants_to_stop());
  EXPECT_TRUE(saves.requests().stop);
  EXPECT_FALSE(saves.requests().save) << "a run that stops saves anyway";
}

TEST_F(SavePolicyTest, TheEndOfItsTimeIsAWishToStop) {
  EXPECT_TRUE(policy(0, 0.0, TimeLimit(1e-9, 1.0, {})).wants_to_stop());
  EXPECT_FALSE(policy(0, 0.0, TimeLimit(60.0, 1.0, {})).wants_to_stop());
}

TEST_F(SavePolicyTest, StopsWhileAStepAndACheckpointStillFit) {
  constexpr double kForever = std::numeric_limits<int>::max();
  SavePolicy by_step = policy(0, 0.0, TimeLimit(60.0, 0.0, {}));
  by_step.step_taken(1.0);
  EXPECT_FALSE(by_step.wants_to_stop());
  by_step.step_taken(kForever);
  EXPECT_TRUE(by_step.wants_to_stop());
  SavePolicy by_checkpoint = policy(0, 0.0, TimeLimit(60.0, 0.0, {}));
  by_checkpoint.saved(kForever);
  EXPECT_TRUE(by_checkpoint.wants_to_stop());
}

TEST(TrainingStateTest, AdvancesThroughEpochs) {
  TrainingState state;
  EXPECT_FALSE(advance(state, 32, 100, 0.5, 2));
  EXPECT_EQ(state.step, 1);
  EXPECT_EQ(state.epoch, 0);
  EXPECT_EQ(state.step_in_epoch, 1);
  EXPECT_TRUE(advance(state, 11, 40, 0.25, 2));
  EXPECT_EQ(state.step, 2);
  EXPECT_EQ(state.epoch, 1);
  EXPECT_EQ(state.step_in_epoch, 0);
  EXPECT_EQ(state.examples, 43);
  EXPECT_EQ(state.tokens, 140);
  EXPECT_EQ(state.seconds, 0.75);
}

}  // namespace
}  // namespace temper
