#include "launch/signals.h"

#include <chrono>
#include <csignal>
#include <ctime>
#include <initializer_list>
#include <optional>

#include "base/clock.h"

namespace temper {
namespace {

sigset_t set_of(std::initializer_list<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : signals) sigaddset(&set, signal);
  return set;
}

bool is_ignored(int signal) {
  struct sigaction action {};
  return sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

/// A signal that is ignored would stay pending too, once it is deferred.
sigset_t stop_signals() {
  static const bool heeds_hangup = !is_ignored(SIGHUP);
  sigset_t set = set_of({SIGTERM, SIGUSR1, SIGINT});
  if (heeds_hangup) sigaddset(&set, SIGHUP);
  return set;
}

/// What has come so far.
struct Received {
  bool any = false;
  std::optional<Clock::time_point> sigterm;
};

const Received& received() {
  static Received received;
  const bool any_before = received.any;
  sigset_t set = stop_signals();
  // A second SIGINT is for the process, not for us.
  if (any_before) sigdelset(&set, SIGINT);
  const timespec at_once{};
  for (int signal = sigtimedwait(&set, nullptr, &at_once); signal > 0; signal = sigtimedwait(&set, nullptr, &at_once)) {
    received.any = true;
    if (signal == SIGTERM && !received.sigterm) received.sigterm = Clock::now();
  }
  if (received.any && !any_before) {
    const sigset_t interrupt = set_of({SIGINT});
    pthread_sigmask(SIG_UNBLOCK, &interrupt, nullptr);
  }
  return received;
}

}  // namespace

void defer_stop_signals() {
  const sigset_t set = stop_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

bool stop_signal_received() { return received().any; }

double seconds_since_sigterm() {
  const std::optional<Clock::time_point>& came = received().sigterm;
  return came ? std::chrono::duration<double>(Clock::now() - *came).count() : 0.0;
}

void ignore_file_size_signal() { std::signal(SIGXFSZ, SIG_IGN); }

}  // namespace temper
