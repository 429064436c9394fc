#include "runtime/environment/reader_wait.h"

#include <pthread.h>

#include <cstdint>
#include <ctime>
#include <span>
#include <vector>

#include "base/clock.h"

namespace temper {
namespace {

/// How far a thread has got: the processor's time that it took. Waiting for a disk that does not answer takes none.
std::int64_t nanoseconds_of(std::jthread* reader) {
  clockid_t clock{};
  timespec time{};
  if (reader == nullptr || !reader->joinable() || pthread_getcpuclockid(reader->native_handle(), &clock) != 0 ||
      clock_gettime(clock, &time) != 0)
    return 0;
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

void wait_for_readers(Communicator& communicator, std::jthread* reader, const std::function<bool()>& done,
                      const char* what) {
  // In rounds: each is a wait of its own, with the whole limit.
  constexpr double kRoundSeconds = 0.05;
  std::vector<std::int64_t> reading{1};
  while (reading.front() != 0) {
    const Clock::time_point began = Clock::now();
    const std::int64_t before = nanoseconds_of(reader);
    bool ready = false;
    communicator.wait_until(
        [&] {
          ready = done();
          return ready || (seconds_since(began) > kRoundSeconds && nanoseconds_of(reader) != before);
        },
        what);
    reading.front() = ready ? 0 : 1;
    communicator.all_reduce(std::span(reading), Reduction::max);
  }
}

}  // namespace temper
