#include "runtime/steps/phases.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace temper {
namespace {

PhaseConfig phase_of_epochs(double epochs) {
  PhaseConfig phase;
  phase.epochs = epochs;
  return phase;
}

class Phases : public testing::Test {
 protected:
  std::vector<PhasePlan> plan(const std::vector<std::int64_t>& ended = {}) const {
    return plan_phases(tuning_, train_, 100, ended);
  }
  TuningSection tuning_;
  TrainSection train_;
};

TEST_F(Phases, WithoutAnyTheRunIsOnePhase) {
  tuning_.freeze = {"embeddings"};
  train_.epochs = 2.5;
  const auto phases = plan();
  ASSERT_EQ(phases.size(), 1U);
  EXPECT_EQ(phases[0].begin_step, 0);
  EXPECT_EQ(phases[0].end_step, 250);
  EXPECT_EQ(phases[0].freeze, tuning_.freeze);
  EXPECT_EQ(phases[0].warmup_steps, 0);
}

TEST_F(Phases, AreEndedByEpochsStepsAndFractionsOfTheRun) {
  PhaseConfig steps;
  steps.steps = 30;
  PhaseConfig fraction;
  fraction.fraction = 0.25;
  tuning_.phases = {phase_of_epochs(1), steps, fraction, PhaseConfig{}};
  train_.epochs = 4;
  const auto phases = plan();
  ASSERT_EQ(phases.size(), 4U);
  EXPECT_EQ(phases[0].end_step, 100);
  EXPECT_EQ(phases[1].end_step, 130);
  EXPECT_EQ(phases[2].end_step, 230);
  EXPECT_EQ(phases[3].end_step, 400) << "the last goes on to the end of the run";
  EXPECT_EQ(phases[3].begin_step, 230);
}

TEST_F(Phases, KnowWhereTheirPatternsStand) {
  EXPECT_EQ(plan().front().freeze_key, "tuning.freeze");
  tuning_.phases = {phase_of_epochs(1), phase_of_epochs(2)};
  EXPECT_EQ(plan()[1].freeze_key, "tuning.phases, phase 2");
}

TEST_F(Phases, WithoutStepsNameTheKeyThatLimitsTheRun) {
  tuning_.phases = {phase_of_epochs(1), PhaseConfig{}};
  const auto refusal = [&]() -> std::string {
    try {
      plan();
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  train_.epochs = 1;
  EXPECT_TRUE(refusal().ends_with("or raise train.epochs")) << refusal();
  train_.max_steps = 1;
  EXPECT_TRUE(refusal().ends_with("or raise train.max_steps")) << refusal();
}

TEST_F(Phases, LaterOnesWarmUpForATwentieth) {
  tuning_.phases = {phase_of_epochs(1), phase_of_epochs(2)};
  const auto phases = plan();
  EXPECT_EQ(phases[0].warmup_steps, 0);
  EXPECT_EQ(phases[1].warmup_steps, 10);
}

TEST_F(Phases, TakeRatesOfTheirOwn) {
  PhaseConfig second = phase_of_epochs(1);
  second.learning_rate = 1e-6;
  second.layer_decay = 0.7;
  tuning_.phases = {phase_of_epochs(1), second};
  tuning_.layer_decay = 0.9;
  train_.learning_rate = 1e-3;
  const auto phases = plan();
  EXPECT_DOUBLE_EQ(phases[0].learning_rate, 1e-3);
  EXPECT_DOUBLE_EQ(phases[0].layer_decay, 0.9);
  EXPECT_DOUBLE_EQ(phases[1].learning_rate, 1e-6);
  EXPECT_DOUBLE_EQ(phases[1].layer_decay, 0.7);
}

TEST_F(Phases, AnEarlyEndMovesTheOthersForward) {
  tuning_.phases = {phase_of_epochs(1), phase_of_epochs(2)};
  const auto phases = plan({40});
  EXPECT_EQ(phases[0].end_step, 40);
  EXPECT_EQ(phases[1].begin_step, 40);
  EXPECT_EQ(phases[1].end_step, 240);
}

TEST_F(Phases, ThatLeaveNoStepToTheLastAreRefused) {
  tuning_.phases = {phase_of_epochs(3), PhaseConfig{}};
  train_.epochs = 3;
  EXPECT_THROW(plan(), Error);
}

TEST_F(Phases, MaxStepsEndsTheRun) {
  train_.max_steps = 7;
  EXPECT_EQ(plan().back().end_step, 7);
}

}  // namespace
}  // namespace temper
