// The job of a cluster's scheduler that a run is part of, as the program that starts the run knows it.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace temper {

struct Job {
  std::string name;                                          ///< "Slurm job 25"; empty: no job
  std::string nodes;                                         ///< in the scheduler's writing: "n[1-4]"; may be empty
  int restarts = 0;                                          ///< how often the scheduler has started it again
  int cores = 0;                                             ///< that the job has on this rank's node; 0: unknown
  std::optional<std::chrono::system_clock::time_point> end;  ///< when it is ended, if that is known

  [[nodiscard]] bool exists() const { return !name.empty(); }
  /// "Slurm job 25 on n[1-4], started again 2 times"; empty where there is no job.
  [[nodiscard]] std::string text() const;
};

}  // namespace temper
