// Waits for a thread of this rank, or of another one, that reads large files in the background. How long that takes
// depends on the size of the files, so the time limit of a wait for other ranks is not for it.
#pragma once

#include <chrono>
#include <functional>
#include <future>
#include <thread>

#include "comm/communicator.h"

namespace temper {

/// Collective. Waits until this is `done` on every rank, without a limit as long as the threads that are still reading
/// get on; `reader` is this rank's, null where it has none. One that has not got on for as long as the communicator's
/// limit ends the wait with its Error, which says `what` was waited for.
void wait_for_readers(Communicator& communicator, std::jthread* reader, const std::function<bool()>& done,
                      const char* what);

template <typename Result>
bool is_ready(const std::future<Result>& result) {
  return result.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

}  // namespace temper
