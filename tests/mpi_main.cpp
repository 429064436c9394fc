// Main of test programs that run alone and under mpirun. Under mpirun every rank runs every test; rank 0 prints, the
// others only their failures.
#include <gtest/gtest.h>

#include <cstdio>
#include <memory>

#include "comm/mpi_session.h"
#include "tests/world.h"

namespace temper {
namespace {

std::unique_ptr<Communicator> world;

/// Tells where an expectation failed, and on which rank.
class FailurePrinter final : public testing::EmptyTestEventListener {
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (result.failed())
      std::fprintf(stderr, "rank %d: %s:%d: %s\n", world->rank(), result.file_name(), result.line_number(),
                   result.message());
  }
};

}  // namespace

Communicator& world_communicator() { return *world; }

}  // namespace temper

int main(int argc, char** argv) {
  using namespace temper;
  std::unique_ptr<MpiSession> session;
  if (MpiSession::launched_by_mpi()) {
    session = std::make_unique<MpiSession>(&argc, &argv);
    world = session->world();
  } else {
    world = make_solo_communicator();
  }
  testing::InitGoogleTest(&argc, argv);
  if (world->rank() != 0) {
    testing::TestEventListeners& listeners = testing::UnitTest::GetInstance()->listeners();
    delete listeners.Release(listeners.default_result_printer());
    listeners.Append(new FailurePrinter);
  }
  std::vector<std::int64_t> failed{RUN_ALL_TESTS()};
  world->all_reduce(std::span(failed), Reduction::max);
  world.reset();
  return failed.front() == 0 ? 0 : 1;
}
