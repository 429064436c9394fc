// MPI from start to end of the program, supervised by a watch.
#pragma once

#include <memory>

#include "comm/communicator.h"
#include "comm/launcher_environment.h"
#include "comm/rank_watch.h"

namespace temper {

/// Default time limit for MPI to start and the ranks to reach each other.
inline constexpr double kStartSeconds = 60.0;

/// MPI_Init_thread when made (MPI_THREAD_FUNNELED: only the main thread talks), MPI_Finalize when destroyed. Errors are
/// returned, not fatal. If the ranks do not reach each other within `start_seconds`, the process ends.
class MpiSession {
 public:
  MpiSession(int* argc, char*** argv, double start_seconds = kStartSeconds);
  ~MpiSession();
  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;

  /// True if this process was started by mpirun or srun, seen without touching MPI: so that a command line without
  /// them need not pay for MPI's start.
  static bool launched_by_mpi();
  /// Ends all ranks at once, with this exit status. Does not return.
  [[noreturn]] static void abort(int status);
  /// A communicator over all ranks, which from now on notice each other's death.
  std::unique_ptr<Communicator> world();
  [[nodiscard]] RankWatch& watch() { return *watch_; }

 private:
  LauncherEnvironment environment_;
  double start_seconds_;
  std::unique_ptr<RankWatch> watch_;
};

}  // namespace temper
