#include "comm/rank_watch.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdlib>

#include "base/error.h"

namespace temper {
namespace {

using namespace std::chrono_literals;

constexpr int kTurnMilliseconds = 200;
/// A call that has come back by then need not be ended by SIGTERM.
constexpr auto kPatienceWithSigterm = 5s;
/// A launcher that ends the others itself (mpirun) does so by then, with a message of its own.
constexpr auto kGraceOfLauncher = 2s;
/// In which the main thread, if it waits for others or soon will, ends the process in its own way.
constexpr auto kGraceOfMainThread = 6s;
/// For the others to tell their error and to be ended by their launcher.
constexpr auto kGraceOfOthers = 10s;

bool sigterm_is_pending() {
  sigset_t pending;
  return sigpending(&pending) == 0 && sigismember(&pending, SIGTERM) == 1;
}

double seconds(std::chrono::steady_clock::duration duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

RankWatch::RankWatch(std::string name, std::chrono::milliseconds speaks_after)
    : name_(std::move(name)), speaks_after_(speaks_after), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (wake_ < 0) throw Error("no eventfd for the watch over the ranks; are too many files open (ulimit -n)?");
  thread_ = std::thread([this] { run(); });
}

RankWatch::~RankWatch() {
  {
    const std::lock_guard lock(mutex_);
    leaves_ = true;
  }
  wake();
  thread_.join();
  ::close(wake_);
}

void RankWatch::wake() const {
  const std::uint64_t one = 1;
  // It cannot fail but for a counter that is full, and then the thread wakes too.
  if (::write(wake_, &one, sizeof(one)) < 0) return;
}

void RankWatch::call(const std::function<void()>& blocking, const std::string& what, double limit_seconds,
                     const std::string& advice) {
  struct Armed {
    RankWatch& watch;
    ~Armed() {
      const std::lock_guard lock(watch.mutex_);
      watch.call_.reset();
    }
  };
  const Armed armed{*this};
  {
    const std::lock_guard lock(mutex_);
    call_ = Call{what, Clock::now(), limit_seconds, advice};
  }
  blocking();
}

void RankWatch::connect(Communicator& communicator) {
  auto links = std::make_unique<PeerLinks>(communicator);
  std::vector<std::string> names;
  for (int rank = 0; rank < communicator.size(); ++rank) names.push_back(communicator.rank_name(rank));
  {
    const std::lock_guard lock(mutex_);
    rank_name_ = [names = std::move(names)](int rank) {
      const auto i = static_cast<std::size_t>(rank);
      return i < names.size() ? names[i] : fmt::format("rank {}", rank);
    };
    links_ = std::move(links);
  }
  wake();
}

std::string RankWatch::death_sentence(int rank) const {
  return fmt::format(
      "{} cannot go on: {} has died without a word (killed, or out of memory? the system's log of that host may "
      "say); start the same command again to go on from the last checkpoint",
      name_, rank_name_(rank));
}

std::optional<std::string> RankWatch::death() const {
  const std::lock_guard lock(mutex_);
  if (!dead_ || told_status_ || Clock::now() - dead_since_ < kGraceOfLauncher) return std::nullopt;
  return death_sentence(*dead_);
}

std::string RankWatch::silence() const {
  const std::lock_guard lock(mutex_);
  if (!silent_) return "";
  return fmt::format("; nothing is heard of {}", rank_name_(*silent_));
}

RankWatch::Sight RankWatch::sight() const {
  const std::lock_guard lock(mutex_);
  if (silent_) return Sight::some_silent;
  return sees_all_ ? Sight::all_alive : Sight::unknown;
}

bool RankWatch::claim_end(int status) {
  {
    const std::lock_guard lock(mutex_);
    claimed_ = status;
    claimed_since_ = Clock::now();
  }
  const bool told_to_end = sigterm_is_pending();
  for (auto waited = 0ms; waited < speaks_after_; waited += 50ms) {
    std::this_thread::sleep_for(50ms);
    // The launcher ends this rank because another one has ended.
    if (!told_to_end && sigterm_is_pending()) return false;
    const std::lock_guard lock(mutex_);
    if (told_status_) return false;
  }
  {
    const std::lock_guard lock(mutex_);
    tells_ = true;
  }
  wake();
  return true;
}

void RankWatch::run() {
  while (true) {
    turn();
    {
      const std::lock_guard lock(mutex_);
      if (leaves_) {
        if (links_) links_->say_goodbye();
        return;
      }
    }
    look();
  }
}

void RankWatch::turn() {
  PeerLinks* links = nullptr;
  bool tells = false;
  {
    const std::lock_guard lock(mutex_);
    links = links_.get();
    std::swap(tells, tells_);
  }
  // Only this thread uses the links once it has them.
  if (links != nullptr) {
    if (tells) links->say_failing(*claimed_);
    links->turn(kTurnMilliseconds, wake_);
  } else {
    pollfd descriptor{wake_, POLLIN, 0};
    ::poll(&descriptor, 1, kTurnMilliseconds);
  }
  std::uint64_t count = 0;
  if (::read(wake_, &count, sizeof(count)) < 0) count = 0;
  if (links == nullptr) return;

  const std::lock_guard lock(mutex_);
  const auto learn = [](const std::optional<int>& heard, std::optional<int>& known, Clock::time_point& since) {
    if (known || !heard) return;
    known = heard;
    since = Clock::now();
  };
  learn(links->dead(), dead_, dead_since_);
  learn(links->told_status(), told_status_, told_since_);
  silent_ = links->silent();
  sees_all_ = links->sees_all();
}

void RankWatch::look() {
  std::unique_lock lock(mutex_);
  const Clock::time_point now = Clock::now();
  if (claimed_) {
    if (now - claimed_since_ > kGraceOfOthers) std::_Exit(*claimed_);
    return;
  }
  if (told_status_) {
    if (now - told_since_ > kGraceOfOthers) std::_Exit(*told_status_);
    return;
  }
  const std::optional<Call> call = call_;
  const std::optional<int> dead = dead_;
  const bool dead_for_long = dead && now - dead_since_ > (call ? kGraceOfLauncher : kGraceOfMainThread);
  lock.unlock();
  if (dead_for_long) return end(death_sentence(*dead), 1);
  if (!call) return;
  const Clock::duration lasted = now - call->began;
  if (seconds(lasted) > call->limit_seconds)
    return end(fmt::format("{} has not come together with the other ranks within {:.0f} s, in {}{}: {}", name_,
                           call->limit_seconds, call->what, silence(), call->advice),
               1);
  if (lasted > kPatienceWithSigterm && sight() != Sight::all_alive && sigterm_is_pending())
    return end(fmt::format("{} was told to end (SIGTERM) after it had waited {:.0f} s for the other ranks, in {}{}",
                           name_, seconds(lasted), call->what, silence()),
               1);
}

void RankWatch::end(const std::string& sentence, int status) {
  const Clock::time_point speaks = Clock::now() + speaks_after_;
  const bool told_to_end = sigterm_is_pending();
  while (Clock::now() < speaks) {
    turn();
    // The launcher ends this rank because another one has ended.
    if (!told_to_end && sigterm_is_pending()) std::_Exit(status);
    const std::lock_guard lock(mutex_);
    // One message is enough.
    if (told_status_) std::_Exit(*told_status_);
    // The main thread came free, and ends the process itself.
    if (claimed_) return;
  }
  const std::string line = "temper: " + sentence + "\n";
  // Neither the locks of stdio nor the main thread can be relied upon.
  const bool written = ::write(STDERR_FILENO, line.data(), line.size()) >= 0;
  const std::lock_guard lock(mutex_);
  if (links_ && written) links_->say_failing(status);
  std::_Exit(status);
}

}  // namespace temper
