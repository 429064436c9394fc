#include "base/timeline.h"

#include <gtest/gtest.h>

#include <thread>

namespace temper {
namespace {

using Track = Timeline::Track;

TEST(Timeline, KeepsNothingBeforeItBeginsAndAfterItEnds) {
  Timeline timeline(10);
  { const TimelineScope before(&timeline, Track::sections, "before"); }
  {
    const TimelineScope across(&timeline, Track::sections, "across");
    timeline.start();
  }
  const Timeline::Clock::time_point early = Timeline::Clock::now() - std::chrono::hours(1);
  timeline.add(Track::kernels, "earlier", -1, early, Timeline::Clock::now());
  { const TimelineScope within(&timeline, Track::steps, "step", 3); }
  timeline.stop();
  { const TimelineScope after(&timeline, Track::sections, "after"); }
  { const TimelineScope nowhere(nullptr, Track::sections, "nowhere"); }
  ASSERT_EQ(timeline.spans().size(), 1U);
  const Timeline::Span span = timeline.spans().front();
  EXPECT_EQ(span.name, "step");
  EXPECT_EQ(span.number, 3);
  EXPECT_GE(span.begin, 0);
  EXPECT_GE(span.end, span.begin);
}

TEST(Timeline, CountsWhatItHasNoRoomFor) {
  Timeline timeline(2);
  timeline.start();
  for (int i = 0; i < 5; ++i) const TimelineScope scope(&timeline, Track::kernels, "call", i);
  EXPECT_EQ(timeline.spans().size(), 2U);
  EXPECT_EQ(timeline.left_out(), 3);
}

TEST(Timeline, TakesSpansOfSeveralThreads) {
  Timeline timeline(1000);
  timeline.start();
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 4; ++thread)
      threads.emplace_back([&timeline] {
        for (int i = 0; i < 100; ++i) const TimelineScope scope(&timeline, Track::loader, "pack", i);
      });
  }
  EXPECT_EQ(timeline.spans().size(), 400U);
}

}  // namespace
}  // namespace temper
