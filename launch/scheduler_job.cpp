#include "launch/scheduler_job.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdlib>

namespace temper {
namespace {

/// Since 1970; a clock of 64 bits in ns ends a little later.
constexpr std::int64_t kLastSecond = 9'000'000'000;

constexpr const char* kEndTime = "SLURM_JOB_END_TIME";

using Lookup = std::function<const char*(const char*)>;

std::string text(const Lookup& lookup, const char* name) {
  const char* value = lookup(name);
  return value == nullptr ? "" : value;
}

/// 0 where the variable is not set, or is no number.
std::int64_t number(const Lookup& lookup, const char* name) {
  const std::string value = text(lookup, name);
  std::int64_t number = 0;
  const char* end = value.data() + value.size();
  const auto [stopped, status] = std::from_chars(value.data(), end, number);
  return status == std::errc() && stopped == end ? number : 0;
}

std::string job_name(const Lookup& lookup) {
  // Jobs of an array are known by the array's number and their own in it.
  if (const std::string array = text(lookup, "SLURM_ARRAY_JOB_ID"); !array.empty())
    return "Slurm job " + array + "_" + text(lookup, "SLURM_ARRAY_TASK_ID");
  struct Scheduler {
    const char* name;
    const char* variable;
  };
  for (const auto& [name, variable] : {Scheduler{"Slurm", "SLURM_JOB_ID"}, Scheduler{"PBS", "PBS_JOBID"},
                                       Scheduler{"LSF", "LSB_JOBID"}, Scheduler{"Grid Engine", "JOB_ID"}})
    if (const std::string value = text(lookup, variable); !value.empty()) return std::string(name) + " job " + value;
  return "";
}

}  // namespace

Job scheduler_job(const Lookup& lookup) {
  Job job;
  job.name = job_name(lookup);
  if (!job.name.starts_with("Slurm")) return job;
  job.nodes = text(lookup, "SLURM_JOB_NODELIST");
  job.restarts = static_cast<int>(number(lookup, "SLURM_RESTART_COUNT"));
  job.cores = static_cast<int>(number(lookup, "SLURM_CPUS_ON_NODE"));
  if (const std::int64_t end = number(lookup, kEndTime); end > 0)
    job.end = std::chrono::system_clock::from_time_t(static_cast<std::time_t>(std::min(end, kLastSecond)));
  return job;
}

Job scheduler_job() {
  return scheduler_job([](const char* name) { return std::getenv(name); });
}

std::string strange_end_note(const Lookup& lookup) {
  const std::string value = text(lookup, kEndTime);
  if (value.empty() || number(lookup, kEndTime) > 0 || !job_name(lookup).starts_with("Slurm")) return "";
  return fmt::format("{} is '{}', expected the seconds from 1970 to the end of the job; it is not heeded", kEndTime,
                     value);
}

std::string strange_end_note() {
  return strange_end_note([](const char* name) { return std::getenv(name); });
}

}  // namespace temper
