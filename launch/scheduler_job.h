// Which job of a scheduler this process belongs to.
#pragma once

#include <string>

namespace temper {

/// "Slurm job 25" ("Slurm job 25_3" in an array), "PBS job 7.head", "LSF job 4", "Grid Engine job 9"; empty outside of
/// jobs. Read from the environment that the scheduler sets.
std::string scheduler_job();

}  // namespace temper
