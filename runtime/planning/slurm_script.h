// The job script with which Slurm starts a run, and starts it again until it has ended (docs/clusters.md).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace temper {

struct SlurmJob {
  std::string name;
  std::string folder;  ///< in which it starts; empty: where it is submitted
  int nodes = 1;
  int ranks = 1;
  int cores_of_rank = 1;
  std::int64_t memory_mib_of_node = 0;  ///< 0: as the site has it
  std::int64_t minutes = 0;             ///< until Slurm ends it
  std::vector<std::string> command;     ///< words, not yet quoted for a shell
  std::vector<std::string> remarks;     ///< comments of a line each
};

/// A whole bash script for sbatch, 22.05 or newer.
std::string slurm_script(const SlurmJob& job);

/// Minutes to ask for: of a run that is to take so many seconds, with a third more, what a start and a checkpoint take,
/// and the time by which Slurm's signal may come early.
std::int64_t slurm_minutes(double seconds);

}  // namespace temper
