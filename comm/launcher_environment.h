// What mpirun, srun and similar launchers tell a process in its environment: known before MPI starts, and without it.
#pragma once

#include <functional>
#include <optional>
#include <string>

namespace temper {

struct LauncherEnvironment {
  /// The launcher's PMI is there, so that MPI will find the other ranks. SLURM_PROCID alone says nothing: every shell
  /// inside an allocation has it.
  bool starts_mpi = false;
  std::string launcher;        ///< "mpirun", "srun", ...; empty: started by hand
  int processes = 1;           ///< that were started together, this one included
  std::optional<int> rank;     ///< of this process among them
  bool on_one_host = true;     ///< as far as can be told
  bool separate_runs = false;  ///< several processes that cannot find each other

  /// Whether this process prints what all of them would print.
  [[nodiscard]] bool speaks() const { return rank.value_or(0) == 0; }
};

/// `lookup` gives the value of an environment variable, or null; std::getenv outside tests.
LauncherEnvironment read_launcher_environment(const std::function<const char*(const char*)>& lookup);
LauncherEnvironment read_launcher_environment();

/// What to say to processes that were started together but are not ranks of one run.
std::string separate_runs_message(const LauncherEnvironment& environment);
/// The same where the launcher offers a PMI, but this program's MPI does not understand it.
std::string other_mpi_message(const LauncherEnvironment& environment);

}  // namespace temper
