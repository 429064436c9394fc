#include "runtime/environment/time_limit.h"

#include <gtest/gtest.h>

#include "runtime/environment/job.h"

namespace temper {
namespace {

using namespace std::chrono_literals;
using SystemClock = TimeLimit::SystemClock;

TEST(TimeLimit, IsNeverDueWithoutOne) {
  TimeLimit limit(0.0, 1e9, std::nullopt);
  limit.add_step(1e9);
  EXPECT_FALSE(limit.is_due());
}

TEST(TimeLimit, LeavesTheLongestStepAndCheckpointAndAMargin) {
  const SystemClock::time_point end = SystemClock::now() + 3600s;
  TimeLimit limit(0.0, 0.0, end);
  limit.add_step(20.0);
  limit.add_step(2.0);
  limit.add_save(50.0);
  EXPECT_FALSE(limit.is_due(end - 101s));
  EXPECT_TRUE(limit.is_due(end - 99s));
}

TEST(TimeLimit, CountsMinutesFromTheStartOfTheProcess) {
  const SystemClock::time_point now = SystemClock::now();
  // Of ten minutes, four are gone; the margin is half a minute.
  const TimeLimit limit(10.0, 240.0, std::nullopt);
  EXPECT_FALSE(limit.is_due(now + 328s));
  EXPECT_TRUE(limit.is_due(now + 331s));
}

TEST(TimeLimit, TheEarlierEndCounts) {
  const SystemClock::time_point now = SystemClock::now();
  EXPECT_TRUE(TimeLimit(60.0, 0.0, now + 100s).is_due(now + 71s));
  EXPECT_TRUE(TimeLimit(1.0, 0.0, now + 3600s).is_due(now + 58s));
}

TEST(TimeLimit, AnEndThatWasPastAtTheStartIsNone) {
  const SystemClock::time_point now = SystemClock::now();
  // As that of an extended job; but one that came while the program started is due.
  EXPECT_FALSE(TimeLimit(0.0, 5.0, now - 60s).is_due(now));
  EXPECT_TRUE(TimeLimit(0.0, 300.0, now - 60s).is_due(now));
  EXPECT_TRUE(TimeLimit(1.0, 0.0, now - 60s).is_due(now + 58s));
}

TEST(TimeLimit, MayLieBeyondWhatTheClockHolds) {
  TimeLimit limit(1e300, 0.0, std::nullopt);
  EXPECT_FALSE(limit.is_due());
  limit.add_step(1e300);
  EXPECT_TRUE(limit.is_due());
  EXPECT_FALSE(TimeLimit(1e300, 0.0, SystemClock::time_point::max()).is_due());
}

TEST(Job, IsToldInOneLine) {
  EXPECT_EQ(Job{}.text(), "");
  EXPECT_EQ((Job{"Slurm job 25", "n[1-4]", 1, 0, {}}.text()), "Slurm job 25 on n[1-4], started again 1 time");
  EXPECT_EQ((Job{"PBS job 7.head", "", 0, 0, {}}.text()), "PBS job 7.head");
}

}  // namespace
}  // namespace temper
