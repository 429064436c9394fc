#include "runtime/reporting/throughput.h"

#include <gtest/gtest.h>

namespace temper {
namespace {

TEST(Throughput, CountsPreparationAsTraining) {
  Throughput throughput;
  throughput.add_preparation(3.0);
  throughput.add_step(0.5, 10, 70);
  throughput.add_step(0.5, 10, 50);
  EXPECT_DOUBLE_EQ(throughput.examples_per_second(), 5.0);
  EXPECT_DOUBLE_EQ(throughput.tokens_per_second(), 30.0);
  EXPECT_DOUBLE_EQ(throughput.preparation_seconds(), 3.0);
  EXPECT_DOUBLE_EQ(throughput.step_examples_per_second(), 20.0);
  EXPECT_DOUBLE_EQ(throughput.step_tokens_per_second(), 120.0);
  EXPECT_DOUBLE_EQ(throughput.seconds_per_step(), 0.5) << "what is left to do is steps alone";
  EXPECT_EQ(throughput.steps(), 2);
}

TEST(Throughput, TellsTheLastWholeEpoch) {
  Throughput throughput;
  EXPECT_EQ(throughput.last_epoch_examples_per_second(), 0.0);
  throughput.add_preparation(1.0);
  throughput.add_step(1.0, 8, 8);
  EXPECT_DOUBLE_EQ(throughput.last_epoch_examples_per_second(), 4.0) << "of the one under way, if there is no other";
  throughput.end_epoch();
  throughput.add_step(0.5, 8, 8);
  EXPECT_DOUBLE_EQ(throughput.last_epoch_examples_per_second(), 4.0);
  throughput.end_epoch();
  EXPECT_DOUBLE_EQ(throughput.last_epoch_examples_per_second(), 16.0);
}

}  // namespace
}  // namespace temper
