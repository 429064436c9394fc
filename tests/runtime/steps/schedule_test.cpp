#include "runtime/steps/schedule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"

namespace temper {
namespace {

TEST(Schedule, LinearEqualsItsDefinition) {
  constexpr std::int64_t kSteps = 57;
  constexpr std::int64_t kWarmup = 5;
  for (std::int64_t s = 0; s < kSteps; ++s) {
    const double expected = s < kWarmup ? static_cast<double>(s) / kWarmup
                                        : std::max(0.0, static_cast<double>(kSteps - s) / (kSteps - kWarmup));
    EXPECT_DOUBLE_EQ(schedule_factor(ScheduleKind::linear, s, kSteps, kWarmup), expected) << s;
  }
}

TEST(Schedule, CosineFallsAlongHalfAWave) {
  EXPECT_DOUBLE_EQ(schedule_factor(ScheduleKind::cosine, 10, 110, 10), 1.0);
  EXPECT_NEAR(schedule_factor(ScheduleKind::cosine, 60, 110, 10), 0.5, 1e-12);
  EXPECT_NEAR(schedule_factor(ScheduleKind::cosine, 35, 110, 10), 0.5 * (1 + std::cos(std::numbers::pi / 4)), 1e-12);
  EXPECT_NEAR(schedule_factor(ScheduleKind::cosine, 110, 110, 10), 0.0, 1e-12);
}

TEST(Schedule, ConstantStaysAfterTheWarmUp) {
  EXPECT_DOUBLE_EQ(schedule_factor(ScheduleKind::constant, 1, 100, 4), 0.25);
  EXPECT_DOUBLE_EQ(schedule_factor(ScheduleKind::constant, 4, 100, 4), 1.0);
  EXPECT_DOUBLE_EQ(schedule_factor(ScheduleKind::constant, 99, 100, 4), 1.0);
}

TEST(Schedule, WithoutWarmUpBeginsAtTheTop) {
  for (const ScheduleKind kind : {ScheduleKind::constant, ScheduleKind::linear, ScheduleKind::cosine})
    EXPECT_DOUBLE_EQ(schedule_factor(kind, 0, 10, 0), 1.0);
}

TEST(Schedule, RefusesAnUnknownName) { EXPECT_THROW(parse_schedule("exponential"), Error); }

}  // namespace
}  // namespace temper
