#include "launch/signals.h"

#include <csignal>
#include <ctime>
#include <initializer_list>

namespace temper {
namespace {

sigset_t set_of(std::initializer_list<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : signals) sigaddset(&set, signal);
  return set;
}

sigset_t stop_signals() { return set_of({SIGTERM, SIGUSR1, SIGINT}); }

}  // namespace

void defer_stop_signals() {
  const sigset_t set = stop_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

bool stop_signal_received() {
  static bool received = false;
  const sigset_t set = stop_signals();
  const timespec at_once{};
  if (!received && sigtimedwait(&set, nullptr, &at_once) > 0) {
    received = true;
    const sigset_t interrupt = set_of({SIGINT});
    pthread_sigmask(SIG_UNBLOCK, &interrupt, nullptr);
  }
  return received;
}

void ignore_file_size_signal() { std::signal(SIGXFSZ, SIG_IGN); }

}  // namespace temper
