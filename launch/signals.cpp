#include "launch/signals.h"

#include <csignal>
#include <initializer_list>

namespace temper {
namespace {

// A signal handler can only reach what is global; nothing else is.
volatile std::sig_atomic_t stop_signals = 0;

void remember(int signal) {
  if (signal == SIGINT && stop_signals != 0) {
    std::signal(SIGINT, SIG_DFL);
    std::raise(SIGINT);
  }
  stop_signals = 1;
}

}  // namespace

void install_signal_handlers() {
  struct sigaction action {};
  action.sa_handler = remember;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (const int signal : {SIGTERM, SIGUSR1, SIGINT}) sigaction(signal, &action, nullptr);
  // A file size limit shows as an error of the write, not as the end of the process.
  std::signal(SIGXFSZ, SIG_IGN);
}

bool stop_signal_received() { return stop_signals != 0; }

}  // namespace temper
