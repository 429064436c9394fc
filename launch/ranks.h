// The ranks of this run: MPI where the program was started by mpirun or srun, else one process without it.
#pragma once

#include <memory>
#include <string>

#include "comm/communicator.h"
#include "comm/mpi_session.h"

namespace temper {

class Ranks {
 public:
  /// Starts MPI if the process was launched by it.
  Ranks(int* argc, char*** argv);

  [[nodiscard]] Communicator& world() { return *world_; }
  [[nodiscard]] bool speaks() const { return world_->rank() == 0; }

  /// Ends all ranks after an error of this one, with one message on standard error. The lowest rank that fails speaks:
  /// the others give it a moment's start. Does not return.
  [[noreturn]] void fail(const std::string& sentence, int status);

 private:
  std::unique_ptr<MpiSession> session_;
  std::unique_ptr<Communicator> world_;
};

}  // namespace temper
