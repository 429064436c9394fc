// Signals that ask a run to stop: SIGTERM (a scheduler's end of time, mpirun's end), SIGUSR1 (a warning ahead of it)
// and SIGINT. The first one lets the step finish and the state be saved; a second SIGINT ends the process at once.
#pragma once

namespace temper {

/// Installs the handlers. Call once, before ranks are started.
void install_signal_handlers();
/// True from the first such signal on.
bool stop_signal_received();

}  // namespace temper
