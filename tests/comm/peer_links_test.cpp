// Every test runs on one rank and, under mpirun, on several; the last rank is the one that something happens to.
#include "comm/peer_links.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <chrono>
#include <functional>
#include <thread>

#include "tests/fake_nodes.h"
#include "tests/world.h"

namespace temper {
namespace {

/// How the ranks are taken to lie on hosts.
struct Hosts {
  const char* name;
  std::function<int(int rank)> node_of;
};

void PrintTo(const Hosts& hosts, std::ostream* out) { *out << hosts.name; }

class PeerLinksOver : public testing::TestWithParam<Hosts> {
 protected:
  void SetUp() override {
    communicator_ = testing_support::split_into_nodes(GetParam().node_of);
    last_ = communicator_->size() - 1;
    is_last_ = communicator_->rank() == last_;
  }

  void TearDown() override {
    // Who is done first must not look dead to who still looks.
    communicator_->barrier();
  }

  void connect(double silent_seconds = 60.0) {
    links_ = std::make_unique<PeerLinks>(*communicator_, silent_seconds);
    turn_until([&] { return links_->sees_all(); });
  }

  /// All ranks take turns until this is true on each of them.
  void turn_until(const std::function<bool()>& done) {
    const auto barrier_after = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    std::unique_ptr<Pending> all;
    while (std::chrono::steady_clock::now() < barrier_after) {
      if (links_) links_->turn(5);
      if (!all && done()) all = communicator_->start_barrier();
      if (all && all->test()) return;
    }
    FAIL() << "it never came to be";
  }
  [[nodiscard]] auto turns(int count) const {
    return [count]() mutable { return --count < 0; };
  }

  std::unique_ptr<Communicator> communicator_;
  int last_ = 0;
  bool is_last_ = false;
  std::unique_ptr<PeerLinks> links_;
  std::unique_ptr<PeerLinks> quiet_;  ///< that take no turn
};

TEST_P(PeerLinksOver, AllRanksSeeEachOther) {
  connect();
  EXPECT_FALSE(links_->dead());
  EXPECT_FALSE(links_->told_status());
  EXPECT_FALSE(links_->silent());
  links_->say_goodbye();
}

TEST_P(PeerLinksOver, ARankThatClosesWithoutAWordIsDeadForAll) {
  connect();
  if (is_last_) links_.reset();
  turn_until([&] { return is_last_ || links_->dead() == last_; });
  EXPECT_TRUE(is_last_ || !links_->told_status());
  links_.reset();
}

TEST_P(PeerLinksOver, AGoodbyeIsNoDeath) {
  connect();
  if (is_last_) {
    links_->say_goodbye();
    links_.reset();
  }
  turn_until(turns(50));
  EXPECT_TRUE(is_last_ || !links_->dead());
  EXPECT_TRUE(is_last_ || links_->sees_all());
}

TEST_P(PeerLinksOver, ARankThatTellsItsErrorIsNotDeadWithoutAWord) {
  connect();
  if (is_last_) links_->say_failing(2);
  turn_until([&] { return is_last_ || links_->told_status() == 2; });
  if (is_last_) links_.reset();
  turn_until(turns(50));
  EXPECT_TRUE(is_last_ || !links_->dead());
}

TEST_P(PeerLinksOver, ARankThatNoLongerAnswersIsSilent) {
  if (communicator_->size() == 1) GTEST_SKIP() << "needs another rank";
  connect(0.5);
  // The last one takes no turn from here on, but is there.
  if (is_last_) quiet_ = std::move(links_);
  turn_until([&] { return is_last_ || links_->silent() == last_; });
  EXPECT_TRUE(is_last_ || !links_->dead());
}

TEST_P(PeerLinksOver, ARankThatGivesUpALateConnectionIsNotDead) {
  links_ = std::make_unique<PeerLinks>(*communicator_, 60.0, /*greeting_seconds=*/0.1);
  // Meanwhile the others have named themselves to rank 0, and given up.
  if (communicator_->rank() == 0) std::this_thread::sleep_for(std::chrono::milliseconds(600));
  turn_until(turns(50));
  EXPECT_FALSE(links_->dead());
  links_->say_goodbye();
}

TEST_P(PeerLinksOver, AskForAPortOnlyBetweenHosts) {
  const auto listening = [] {
    int count = 0;
    for (int descriptor = 0; descriptor < 1024; ++descriptor) {
      int listens = 0;
      int domain = 0;
      socklen_t size = sizeof(int);
      if (::getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens == 1 &&
          ::getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain != AF_UNIX)
        ++count;
    }
    return count;
  };
  const int before = listening();
  connect();
  const bool asks = communicator_->rank() == 0 && communicator_->topology().nodes > 1;
  EXPECT_EQ(listening() - before, asks ? 1 : 0);
  links_->say_goodbye();
}

INSTANTIATE_TEST_SUITE_P(Hosts, PeerLinksOver,
                         testing::Values(Hosts{"one", [](int) { return 0; }},
                                         Hosts{"one_for_each_rank", [](int rank) { return rank; }},
                                         Hosts{"two_ranks_each", [](int rank) { return rank / 2; }},
                                         Hosts{"in_turn", [](int rank) { return rank % 2; }}),
                         [](const auto& hosts) { return hosts.param.name; });

}  // namespace
}  // namespace temper
