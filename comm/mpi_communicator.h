// MPI on host memory. Every MPI status is checked where it is returned.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "comm/communicator.h"

namespace temper {

/// MPI from start to end of the program: MPI_Init_thread when made (MPI_THREAD_FUNNELED: only the main thread talks),
/// MPI_Finalize when destroyed. Errors are returned, not fatal.
class MpiSession {
 public:
  MpiSession(int* argc, char*** argv);
  ~MpiSession();
  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;

  /// True if this process was started by mpirun or srun, seen without touching MPI: so that a command line without
  /// them need not pay for MPI's start.
  static bool launched_by_mpi();
  /// Ends all ranks at once, with this exit status. Does not return.
  [[noreturn]] static void abort(int status);
  /// A communicator over all ranks.
  std::unique_ptr<Communicator> world();
};

/// A communicator over all ranks, inside an MpiSession. `node_of`, if given, splits each host into nodes: ranks of one
/// host with the same number are one. So a single host can stand for several.
std::unique_ptr<Communicator> make_mpi_communicator(const std::function<int(int rank)>& node_of = {});

}  // namespace temper
