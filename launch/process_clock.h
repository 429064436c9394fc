// How long ago this process began, as the kernel counts it: loading libraries and starting MPI included.
#pragma once

namespace temper {

/// Seconds; 0 where /proc does not tell.
double seconds_since_process_start();

}  // namespace temper
