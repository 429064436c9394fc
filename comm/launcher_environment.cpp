#include "comm/launcher_environment.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <string_view>

namespace temper {
namespace {

struct Launcher {
  const char* name;
  const char* size;  ///< variable with the number of processes
  const char* rank;  ///< variable with the number of this one
};

// The first whose size is set counts: mpirun inside a Slurm job starts its daemons with srun, whose variables the ranks
// inherit.
constexpr std::array<Launcher, 6> kLaunchers{{
    {"mpirun", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"},  // Open MPI
    {"mpirun", "PMI_SIZE", "PMI_RANK"},                          // MPICH, Intel MPI, srun --mpi=pmi2
    {"mpirun_rsh", "MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK"},
    {"jsrun", "JSM_NAMESPACE_SIZE", "JSM_NAMESPACE_RANK"},
    {"flux run", "FLUX_JOB_SIZE", "FLUX_TASK_RANK"},
    {"srun", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID"},
}};

std::optional<int> number(const char* text) {
  if (text == nullptr) return std::nullopt;
  const std::string_view view(text);
  int value = 0;
  const auto [end, status] = std::from_chars(view.data(), view.data() + view.size(), value);
  return status == std::errc() && end == view.data() + view.size() ? std::optional(value) : std::nullopt;
}

}  // namespace

LauncherEnvironment read_launcher_environment(const std::function<const char*(const char*)>& lookup) {
  LauncherEnvironment environment;
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK", "PMI_SIZE"})
    if (lookup(name) != nullptr) environment.starts_mpi = true;
  const bool in_slurm_step = lookup("SLURM_STEP_ID") != nullptr;
  for (const Launcher& launcher : kLaunchers) {
    const std::string_view name(launcher.name);
    const std::optional<int> size = number(lookup(launcher.size));
    if (!size || (name == "srun" && !in_slurm_step)) continue;
    environment.launcher =
        name == "mpirun" && in_slurm_step && lookup("PMI_FD") == nullptr && lookup("OMPI_COMM_WORLD_SIZE") == nullptr
            ? "srun"
            : name;
    environment.processes = *size;
    environment.rank = number(lookup(launcher.rank));
    break;
  }
  if (!environment.rank) environment.rank = number(lookup("PMIX_RANK"));
  const std::optional<int> local = number(lookup("OMPI_COMM_WORLD_LOCAL_SIZE"));
  const std::optional<int> nodes = number(lookup("SLURM_STEP_NUM_NODES"));
  if (lookup("OMPI_COMM_WORLD_SIZE") != nullptr) {
    environment.on_one_host = local == environment.processes;
  } else if (environment.starts_mpi) {
    environment.on_one_host = nodes == 1;
  }
  environment.separate_runs = environment.processes > 1 && !environment.starts_mpi;
  return environment;
}

LauncherEnvironment read_launcher_environment() {
  return read_launcher_environment([](const char* name) { return std::getenv(name); });
}

std::string separate_runs_message(const LauncherEnvironment& environment) {
  const std::string start = fmt::format(
      "{} started {} separate processes, not {} ranks of one run, because it gave "
      "them no PMI to find each other with: ",
      environment.launcher, environment.processes, environment.processes);
  if (environment.launcher != "srun") return start + "start them with the mpirun of Open MPI";
  return start +
         "start them with srun --mpi=pmix (srun --mpi=list shows what the site has), or with mpirun inside the job; "
         "should each be a run of its own, take SLURM_STEP_NUM_TASKS out of its environment (env -u)";
}

std::string other_mpi_message(const LauncherEnvironment& environment) {
  return fmt::format(
      "{} started {} processes, but the MPI that this program was built with finds only one: they were started by "
      "another MPI, or by another PMI than it understands; start them with its own mpirun (temper version says which "
      "MPI it is), or under Slurm with srun --mpi=pmix",
      environment.launcher, environment.processes);
}

}  // namespace temper
