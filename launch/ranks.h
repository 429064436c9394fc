// The ranks of this run: MPI where the program was started by mpirun or srun, else one process without it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "comm/communicator.h"
#include "comm/mpi_session.h"

namespace temper {

/// Time limit for MPI to start and the ranks to reach each other: TEMPER_START_TIMEOUT_SECONDS, else the command's
/// limit for waits (run.timeout_seconds), but then a minute at most. Throws a usage Error for a variable that is no
/// number of seconds.
double start_seconds(std::optional<double> wait_limit);

class Ranks {
 public:
  /// Starts MPI if the process was launched by it, within `start_seconds`. What keeps it from that ends the process as
  /// fail() does.
  Ranks(int* argc, char*** argv, double start_seconds);

  [[nodiscard]] Communicator& world() { return *world_; }
  [[nodiscard]] bool speaks() const { return world_->rank() == 0; }

  /// Of a command that defers stop signals: SIGTERM ends a wait that will not end, since a rank that the others wait
  /// for gives no sign of life.
  void end_waits_on_sigterm();

  /// Ends all ranks after an error of this one, with one message on standard error. The lowest rank that fails speaks:
  /// the others give it a moment's start. Does not return.
  [[noreturn]] void fail(const std::string& sentence, int status);

 private:
  std::unique_ptr<MpiSession> session_;
  std::unique_ptr<Communicator> world_;
};

}  // namespace temper
