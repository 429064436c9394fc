// When Slurm will end a job: asks Slurm if the environment does not say.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "runtime/environment/job.h"

namespace temper {

/// Versions of Slurm before 23.02 do not set SLURM_JOB_END_TIME: there `squeue` is asked, for so many seconds at most,
/// in a process group of its own. Nothing for a job without an end, of another scheduler, or whose end is known;
/// nothing, with a sentence through `say`, where squeue gives no answer.
std::optional<std::chrono::system_clock::time_point> ask_slurm_for_end(
    const Job& job, const std::function<void(const std::string&)>& say, double longest_seconds = 2.0);

}  // namespace temper
