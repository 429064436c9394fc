// A resumed run of another length.
#include <gtest/gtest.h>

#include "base/error.h"
#include "runtime/checkpoints/resumption.h"
#include "runtime/steps/phases.h"

namespace temper {
namespace {

TrainSection of_epochs(double epochs) {
  TrainSection train;
  train.schedule = "constant";
  train.epochs = epochs;
  train.warmup_ratio = 0.1;
  return train;
}

TEST(RunLength, AFinishedRunGoesOnAndKeepsItsWarmUp) {
  TrainingState state;
  state.step = 100;
  state.finished = true;
  change_length(state, of_epochs(10), {}, 10, 500);
  EXPECT_FALSE(state.finished);
  EXPECT_EQ(state.warmup_steps, 10) << "a tenth of the 100 steps, not of the 500";
  // Lengthened once more: it is still that of the first length.
  state.step = 500;
  state.finished = true;
  change_length(state, of_epochs(50), {}, 10, 600);
  EXPECT_EQ(state.warmup_steps, 10);

  const TrainSection schedule = schedule_of(of_epochs(60), state);
  const PhasePlan phase = plan_phases({}, schedule, 10, {}).front();
  EXPECT_DOUBLE_EQ(learning_rate_at(5, phase, schedule, 600), 0.5 * schedule.learning_rate);
  EXPECT_DOUBLE_EQ(learning_rate_at(10, phase, schedule, 600), schedule.learning_rate);
}

TEST(RunLength, AWarmUpOfNoStepsStaysNone) {
  TrainingState state;
  state.step = 5;
  change_length(state, of_epochs(1), {}, 5, 500);
  EXPECT_EQ(state.warmup_steps, 0);
  const TrainSection schedule = schedule_of(of_epochs(100), state);
  const PhasePlan phase = plan_phases({}, schedule, 5, {}).front();
  EXPECT_DOUBLE_EQ(learning_rate_at(6, phase, schedule, 500), schedule.learning_rate);
}

TEST(RunLength, IsThatOfTheConfigurationWhereItWasNeverChanged) {
  const TrainSection schedule = schedule_of(of_epochs(10), TrainingState());
  EXPECT_EQ(schedule.warmup_steps, 0);
  EXPECT_EQ(schedule.warmup_ratio, 0.1);
}

TEST(RunLength, BehindTheStepsThatWereDoneIsRefused) {
  TrainingState state;
  state.step = 100;
  state.finished = true;
  EXPECT_NO_THROW(change_length(state, of_epochs(10), {}, 10, 100));
  EXPECT_TRUE(state.finished) << "no step is left";
  try {
    change_length(state, of_epochs(10), {}, 10, 99);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_NE(std::string(error.what()).find("100 steps behind it"), std::string::npos) << error.what();
  }
}

TEST(RunLength, OfCheckpointsBeforeItCouldChangeIsReadAsUnchanged) {
  TrainingState state;
  state.warmup_steps = 7;
  EXPECT_EQ(parse_training_state(to_json(state)).warmup_steps, 7);
  std::string older = to_json(TrainingState());
  const std::size_t place = older.find("\"warmup_steps\"");
  ASSERT_NE(place, std::string::npos);
  older.replace(place, 14, "\"unknown_member\"");
  EXPECT_EQ(parse_training_state(older).warmup_steps, -1);
}

}  // namespace
}  // namespace temper
