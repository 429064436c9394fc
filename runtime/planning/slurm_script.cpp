#include "runtime/planning/slurm_script.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

namespace temper {
namespace {

/// Before the end, when the run is told to save; Slurm may be 60 s early.
constexpr int kSignalSeconds = 120;

/// A word as a shell reads it back.
std::string shell_word(std::string_view word) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./,:@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string_view::npos) return std::string(word);
  std::string quoted = "'";
  for (const char c : word) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

/// Whether a value of an #SBATCH line can hold it, which sbatch reads by rules of its own: it knows quotes around a
/// whole value, but nothing within them.
bool fits_sbatch(std::string_view value) {
  return !value.empty() && std::none_of(value.begin(), value.end(), [](char c) {
    return c == '\'' || c == '"' || c == '\\' || static_cast<unsigned char>(c) < ' ';
  });
}

/// In Slurm's writing: 04:00:00, 2-07:30:00.
std::string duration(std::int64_t minutes) {
  const std::int64_t days = minutes / 1440;
  const std::string time = fmt::format("{:02}:{:02}:00", minutes / 60 % 24, minutes % 60);
  return days == 0 ? time : fmt::format("{}-{}", days, time);
}

}  // namespace

std::string slurm_script(const SlurmJob& job) {
  std::string text = "#!/bin/bash\n";
  const auto option = [&](const std::string& words) { text += "#SBATCH " + words + "\n"; };
  if (fits_sbatch(job.name)) option("--job-name=" + shell_word(job.name));
  if (fits_sbatch(job.folder)) option("--chdir=" + shell_word(job.folder));
  const bool even = job.ranks % job.nodes == 0;
  const int of_node = (job.ranks + job.nodes - 1) / job.nodes;
  option(fmt::format("--nodes={} {}{} --cpus-per-task={} --time={}", job.nodes,
                     even ? "" : fmt::format("--ntasks={} ", job.ranks), fmt::format("--ntasks-per-node={}", of_node),
                     job.cores_of_rank, duration(job.minutes)));
  if (job.memory_mib_of_node > 0) option(fmt::format("--mem={}M", job.memory_mib_of_node));
  option(fmt::format("--signal=USR1@{} --requeue --open-mode=append", kSignalSeconds));
  for (const std::string& remark : job.remarks) text += "# " + remark + "\n";
  if (!job.folder.empty() && !fits_sbatch(job.folder)) text += "cd " + shell_word(job.folder) + " || exit\n";
  text += fmt::format("srun --mpi=pmix --kill-on-bad-exit=1 --cpus-per-task={}", job.cores_of_rank);
  for (const std::string& word : job.command) text += " " + shell_word(word);
  text +=
      "\nstatus=$?\n"
      "[ $status -ne 75 ] || scontrol requeue \"$SLURM_JOB_ID\"\n"
      "exit $status\n";
  return text;
}

std::int64_t slurm_minutes(double seconds) {
  constexpr double kStartAndSaveSeconds = 120.0;
  constexpr double kEarlySeconds = 60.0;
  constexpr double kMargin = 4.0 / 3.0;
  return static_cast<std::int64_t>(
      std::ceil((kMargin * seconds + kStartAndSaveSeconds + kSignalSeconds + kEarlySeconds) / 60.0));
}

}  // namespace temper
