#include "base/process_identity.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace temper {
namespace {

TEST(ProcessIdentity, OfThisProcessIsAlive) {
  const ProcessIdentity self = this_process();
  EXPECT_EQ(self.pid, getpid());
  EXPECT_EQ(self.host, host_name());
  EXPECT_EQ(liveness_of(self), Liveness::alive);
}

TEST(ProcessIdentity, ANumberThatWasGivenToAnotherProcessIsDead) {
  ProcessIdentity earlier = this_process();
  earlier.started -= 1;
  EXPECT_EQ(liveness_of(earlier), Liveness::dead);
}

TEST(ProcessIdentity, AKilledProcessIsDeadBeforeAndAfterItsParentLearns) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    pause();
    _exit(0);
  }
  ProcessIdentity killed = this_process();
  killed.pid = child;
  // The child's own time of start: the number alone must not be enough.
  EXPECT_EQ(liveness_of(killed), Liveness::dead);
  kill(child, SIGKILL);
  siginfo_t info{};
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
  EXPECT_EQ(liveness_of(killed), Liveness::dead) << "a zombie";
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_EQ(liveness_of(killed), Liveness::dead);
}

TEST(ProcessIdentity, OfAnotherHostOrContainerIsUnknown) {
  ProcessIdentity other = this_process();
  other.boot = "another";
  EXPECT_EQ(liveness_of(other), Liveness::unknown);
  other = this_process();
  other.pid_namespace = "pid:[1]";
  EXPECT_EQ(liveness_of(other), Liveness::unknown);
  EXPECT_EQ(liveness_of({}), Liveness::unknown);
}

}  // namespace
}  // namespace temper
