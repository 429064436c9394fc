// Signals that ask a run to stop: SIGTERM (a scheduler's end of time, mpirun's end), SIGUSR1 (a warning ahead of it),
// SIGINT, and SIGHUP (a terminal that was closed) unless it is ignored, as nohup has it. They are never handled
// asynchronously, but blocked and polled: a handler's frame would be written below the stack pointer, and the matrix
// products of some oneDNN versions borrow that register.
#pragma once

namespace temper {

/// Keeps the signals pending in this thread and all that it starts from now on: call it before there are any.
void defer_stop_signals();
/// True from the first deferred signal on. After it, SIGINT ends the process at once.
bool stop_signal_received();
/// Since SIGTERM was first seen to have come, which other stop signals may have come before; 0 where it has not.
double seconds_since_sigterm();
/// A file size limit shows as an error of the write, not as the end of the process.
void ignore_file_size_signal();

}  // namespace temper
