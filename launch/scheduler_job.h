// Which job of a scheduler this process belongs to.
#pragma once

#include <functional>
#include <string>

#include "runtime/environment/job.h"

namespace temper {

/// Named "Slurm job 25" ("Slurm job 25_3" in an array), "PBS job 7.head", "LSF job 4" or "Grid Engine job 9"; without a
/// name outside of jobs. Read from the environment that the scheduler sets; `lookup` gives a variable's value, or null.
Job scheduler_job(const std::function<const char*(const char*)>& lookup);
Job scheduler_job();

/// Says so where Slurm's end of the job is set and is no time; else empty.
std::string strange_end_note(const std::function<const char*(const char*)>& lookup);
std::string strange_end_note();

}  // namespace temper
