// On one rank and, under mpirun, on several: the last one reads.
#include "runtime/environment/reader_wait.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>

#include "base/clock.h"
#include "base/error.h"
#include "tests/world.h"

namespace temper {
namespace {

class ReaderWait : public testing::Test {
 protected:
  void SetUp() override { world_.set_timeout(1.0); }
  void TearDown() override { world_.set_timeout(600.0); }

  /// What `work` is waited for.
  void wait_for(const std::function<void(const std::stop_token&)>& work) {
    std::packaged_task<void(std::stop_token)> task(work);
    std::future<void> result = task.get_future();
    std::jthread thread;
    const bool reads = world_.rank() == world_.size() - 1;
    if (reads) thread = std::jthread(std::move(task));
    wait_for_readers(
        world_, reads ? &thread : nullptr, [&] { return !reads || is_ready(result); }, "a test");
  }

  Communicator& world_ = world_communicator();
};

TEST_F(ReaderWait, LastsAsLongAsTheReaderGetsOn) {
  EXPECT_NO_THROW(wait_for([](const std::stop_token&) {
    const Clock::time_point began = Clock::now();
    while (seconds_since(began) < 2.5) {
    }
  }));
}

TEST_F(ReaderWait, EndsWithOneThatDoesNot) {
  if (world_.size() > 1) GTEST_SKIP() << "the others would be left in a wait";
  EXPECT_THROW(wait_for([](const std::stop_token& stop) {
                 std::mutex mutex;
                 std::unique_lock lock(mutex);
                 std::condition_variable_any().wait(lock, stop, [] { return false; });
               }),
               Error);
}

}  // namespace
}  // namespace temper
