#include "runtime/reporting/run_trace.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/reporting/trace_file.h"

namespace temper {

void RunTrace::before_step(std::int64_t step, std::int64_t taken) {
  if (timeline() == nullptr || taken == 0) return;
  if (first_step_ == 0) {
    first_step_ = step + 1;
    // Clocks of nodes differ; this is the moment that they have in common.
    communicator_.barrier();
    timeline()->start();
  } else if (taken == 1 + request_->steps) {
    timeline()->stop();
  }
}

WrittenTrace RunTrace::write(const std::filesystem::path& folder, std::int64_t taken) {
  if (first_step_ == 0) return {};
  timeline()->stop();
  const WrittenTrace written{request_->file.empty() ? folder / "profile.json" : request_->file, first_step_,
                             first_step_ + std::min(request_->steps, taken - 1) - 1};
  write_trace(written.file, *timeline(), communicator_,
              fmt::format("steps {} to {}; every kernel is waited for, so nothing overlaps and steps are slower than "
                          "usual; {} spans of rank 0 were left out",
                          written.first_step, written.last_step, timeline()->left_out()));
  return written;
}

}  // namespace temper
