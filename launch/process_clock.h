// Time since this process started, as the kernel counts it: including loading libraries and starting MPI.
#pragma once

namespace temper {

/// Seconds; 0 where /proc does not tell.
double seconds_since_process_start();

}  // namespace temper
