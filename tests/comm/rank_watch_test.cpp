// What ends a process, tried on processes that are made for it; on one rank alone.
#include "comm/rank_watch.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

#include "tests/world.h"

namespace temper {
namespace {

using namespace std::chrono_literals;

class RankWatchDeathTest : public testing::Test {
 protected:
  void SetUp() override {
    if (world_communicator().size() > 1) GTEST_SKIP() << "processes of MPI are not to be forked";
    GTEST_FLAG_SET(death_test_style, "threadsafe");
  }
};

void sleep_for_ever() {
  while (true) ::pause();
}

TEST_F(RankWatchDeathTest, EndsAProcessWhoseCallDoesNotComeBack) {
  EXPECT_EXIT(
      {
        RankWatch watch("rank 1 on h2", 10ms);
        watch.call(sleep_for_ever, "MPI_Init", 0.3, "look at the firewall");
      },
      testing::ExitedWithCode(1), "temper: rank 1 on h2 has not come together .* in MPI_Init: look at the firewall");
}

TEST_F(RankWatchDeathTest, EndsAProcessThatIsToldToWhileACallLasts) {
  EXPECT_EXIT(
      {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        pthread_sigmask(SIG_BLOCK, &set, nullptr);
        RankWatch watch("rank 0 on h1", 0ms);
        ::kill(::getpid(), SIGTERM);
        watch.call(sleep_for_ever, "making a shared window", 3600.0, "");
      },
      testing::ExitedWithCode(1), "rank 0 on h1 was told to end \\(SIGTERM\\) .* in making a shared window");
}

TEST_F(RankWatchDeathTest, EndsAProcessThatHangsInItsEnd) {
  EXPECT_EXIT(
      {
        RankWatch watch("rank 0 on h1", 0ms);
        if (watch.claim_end(2)) sleep_for_ever();
      },
      testing::ExitedWithCode(2), "");
}

TEST(RankWatch, LetsCallsComeBack) {
  RankWatch watch("rank 0 on h1", 0ms);
  int calls = 0;
  for (int i = 0; i < 3; ++i) watch.call([&] { ++calls; }, "a call", 60.0, "");
  EXPECT_EQ(calls, 3);
  EXPECT_THROW(watch.call([] { throw 1; }, "a call", 60.0, ""), int);
  EXPECT_FALSE(watch.death());
  EXPECT_EQ(watch.sight(), RankWatch::Sight::unknown);
}

}  // namespace
}  // namespace temper
