#include "launch/scheduler_job.h"

#include <cstdlib>

namespace temper {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

std::string scheduler_job() {
  // Jobs of an array are known by the array's number and their own in it.
  if (const std::string array = variable("SLURM_ARRAY_JOB_ID"); !array.empty())
    return "Slurm job " + array + "_" + variable("SLURM_ARRAY_TASK_ID");
  struct Scheduler {
    const char* name;
    const char* variable;
  };
  for (const auto& [name, number] : {Scheduler{"Slurm", "SLURM_JOB_ID"}, Scheduler{"PBS", "PBS_JOBID"},
                                     Scheduler{"LSF", "LSB_JOBID"}, Scheduler{"Grid Engine", "JOB_ID"}})
    if (const std::string value = variable(number); !value.empty()) return std::string(name) + " job " + value;
  return "";
}

}  // namespace temper
