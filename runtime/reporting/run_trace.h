// The trace of a run: which steps are on the timeline, and where it is written.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "base/timeline.h"
#include "comm/communicator.h"

namespace temper {

/// What `--profile` asks for, beside the times of kernels.
struct ProfileRequest {
  std::filesystem::path file;  ///< of the trace; empty: <output.dir>/profile.json
  std::int64_t steps = 20;     ///< that are traced, from the second one on
  Timeline* timeline = nullptr;
};

struct WrittenTrace {
  std::filesystem::path file;   ///< empty where none was written
  std::int64_t first_step = 0;  ///< 1-based
  std::int64_t last_step = 0;
};

class RunTrace {
 public:
  /// Without a request nothing is traced.
  RunTrace(const std::optional<ProfileRequest>& request, Communicator& communicator)
      : request_(request), communicator_(communicator) {}

  [[nodiscard]] Timeline* timeline() const { return request_ ? request_->timeline : nullptr; }
  /// Before step `step` (0-based), of which this start has taken `taken` so far. The first one loads libraries, and is
  /// left out. Collective where a profile is asked for.
  void before_step(std::int64_t step, std::int64_t taken);
  /// Collective. Nothing where no step was traced. `taken` as above.
  WrittenTrace write(const std::filesystem::path& folder, std::int64_t taken);

 private:
  const std::optional<ProfileRequest>& request_;
  Communicator& communicator_;
  std::int64_t first_step_ = 0;  ///< 1-based; 0: none yet
};

}  // namespace temper
