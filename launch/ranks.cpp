#include "launch/ranks.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace temper {

Ranks::Ranks(int* argc, char*** argv) {
  if (MpiSession::launched_by_mpi()) {
    session_ = std::make_unique<MpiSession>(argc, argv);
    world_ = session_->world();
  } else {
    world_ = make_solo_communicator();
  }
}

void Ranks::fail(const std::string& sentence, int status) {
  const int rank = world_->rank();
  if (session_ != nullptr && rank > 0) {
    // An error that every rank meets is told by rank 0, which ends this process meanwhile.
    const int milliseconds = std::min(2000 + 100 * rank, 4000);
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
    std::fprintf(stderr, "temper: rank %d: %s\n", rank, sentence.c_str());
  } else {
    std::fprintf(stderr, "temper: %s\n", sentence.c_str());
  }
  std::fflush(nullptr);
  if (session_ != nullptr) MpiSession::abort(status);
  // Threads may still hold what static destructors would take away.
  std::_Exit(status);
}

}  // namespace temper
