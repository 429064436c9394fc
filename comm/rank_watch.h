// A thread next to the one that computes and communicates: it ends the process if a call into MPI does not return, or
// if another rank has died, so that nothing hangs silently without limit.
//
// Note: it never calls MPI (only the main thread may), and it does not throw. If the main thread can poll, it asks the
// watch and ends on its own; if it cannot, the watch ends the process.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "comm/communicator.h"
#include "comm/peer_links.h"

namespace temper {

class RankWatch {
 public:
  /// Begins the thread. `name`: of this process in messages, "rank 3 on h2". `speaks_after`: so long the watch waits
  /// before it speaks, so that of many ranks with the same trouble the first ends the others.
  RankWatch(std::string name, std::chrono::milliseconds speaks_after);
  /// Tells the others that this rank is done with them.
  ~RankWatch();
  RankWatch(const RankWatch&) = delete;
  RankWatch& operator=(const RankWatch&) = delete;

  /// Makes a call that may not come back. After `limit_seconds`, when another rank dies meanwhile, or on SIGTERM once
  /// it has lasted a few seconds and not all others are known to live, the process ends with status 1 and a sentence;
  /// `advice` says what to try.
  void call(const std::function<void()>& blocking, const std::string& what, double limit_seconds,
            const std::string& advice);

  /// Collective. From now on sees the other ranks.
  void connect(Communicator& communicator);

  /// The sentence to end with, if another rank has died.
  [[nodiscard]] std::optional<std::string> death() const;
  /// "; nothing has been heard of rank 3 on h2 for some seconds", or nothing.
  [[nodiscard]] std::string silence() const;
  enum class Sight { all_alive, some_silent, unknown };
  [[nodiscard]] Sight sight() const;

  /// The main thread has an error and will end the process with this status: from now on the watch does so only if the
  /// main thread hangs there. Waits as long as this rank is to wait before it speaks; false: another rank spoke
  /// meanwhile, and this one need not.
  bool claim_end(int status);

 private:
  using Clock = std::chrono::steady_clock;
  struct Call {
    std::string what;
    Clock::time_point began;
    double limit_seconds;
    std::string advice;
  };

  void run();
  /// A turn of the links, and what they have learnt.
  void turn();
  /// Ends the process where it is due.
  void look();
  void end(const std::string& sentence, int status);
  [[nodiscard]] std::string death_sentence(int rank) const;
  void wake() const;

  std::string name_;
  std::chrono::milliseconds speaks_after_;
  int wake_ = -1;  ///< an eventfd

  mutable std::mutex mutex_;  ///< over what follows
  std::optional<Call> call_;
  std::unique_ptr<PeerLinks> links_;
  std::function<std::string(int rank)> rank_name_;
  std::optional<int> dead_;
  Clock::time_point dead_since_;
  std::optional<int> told_status_;  ///< of another rank
  Clock::time_point told_since_;
  std::optional<int> silent_;
  bool sees_all_ = false;
  std::optional<int> claimed_;  ///< the status that the main thread ends with
  Clock::time_point claimed_since_;
  bool tells_ = false;  ///< the others are to know that this rank has told its error
  bool leaves_ = false;

  std::thread thread_;
};

}  // namespace temper
