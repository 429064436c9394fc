#include "comm/launcher_environment.h"

#include <gtest/gtest.h>

#include <map>

namespace temper {
namespace {

LauncherEnvironment read(const std::map<std::string, const char*>& variables) {
  return read_launcher_environment([&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second;
  });
}

TEST(LauncherEnvironment, IsEmptyForAProcessStartedByHand) {
  const LauncherEnvironment environment = read({});
  EXPECT_FALSE(environment.starts_mpi);
  EXPECT_FALSE(environment.separate_runs);
  EXPECT_EQ(environment.processes, 1);
  EXPECT_TRUE(environment.speaks());
}

TEST(LauncherEnvironment, KnowsRanksOfOpenMpi) {
  const LauncherEnvironment environment = read({{"OMPI_COMM_WORLD_SIZE", "4"},
                                                {"OMPI_COMM_WORLD_RANK", "3"},
                                                {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
                                                {"PMIX_RANK", "3"}});
  EXPECT_TRUE(environment.starts_mpi);
  EXPECT_EQ(environment.launcher, "mpirun");
  EXPECT_EQ(environment.processes, 4);
  EXPECT_EQ(environment.rank, 3);
  EXPECT_FALSE(environment.on_one_host);
  EXPECT_FALSE(environment.separate_runs);
  EXPECT_FALSE(environment.speaks());
  EXPECT_TRUE(read({{"OMPI_COMM_WORLD_SIZE", "4"}, {"OMPI_COMM_WORLD_LOCAL_SIZE", "4"}}).on_one_host);
}

TEST(LauncherEnvironment, CallsTasksOfSrunWithoutPmiSeparateRuns) {
  const LauncherEnvironment environment = read(
      {{"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", "2"}, {"SLURM_PROCID", "1"}, {"SLURM_STEP_NUM_NODES", "2"}});
  EXPECT_FALSE(environment.starts_mpi);
  EXPECT_TRUE(environment.separate_runs);
  EXPECT_FALSE(environment.speaks());
  const std::string message = separate_runs_message(environment);
  EXPECT_NE(message.find("srun started 2 separate processes"), std::string::npos) << message;
  EXPECT_NE(message.find("srun --mpi=pmix"), std::string::npos) << message;
}

TEST(LauncherEnvironment, TakesTasksOfSrunWithPmixForRanks) {
  const LauncherEnvironment environment = read({{"SLURM_STEP_ID", "0"},
                                                {"SLURM_STEP_NUM_TASKS", "2"},
                                                {"SLURM_STEP_NUM_NODES", "1"},
                                                {"SLURM_PROCID", "1"},
                                                {"PMIX_RANK", "1"}});
  EXPECT_TRUE(environment.starts_mpi);
  EXPECT_FALSE(environment.separate_runs);
  EXPECT_EQ(environment.launcher, "srun");
  EXPECT_EQ(environment.rank, 1);
  EXPECT_TRUE(environment.on_one_host);
}

TEST(LauncherEnvironment, RaisesNoAlarmInABatchScriptOrForOneTask) {
  // A batch script has the job's tasks, and a number of its own, but is no step.
  EXPECT_FALSE(read({{"SLURM_NTASKS", "2"}, {"SLURM_PROCID", "0"}, {"SLURM_STEP_NUM_TASKS", "2"}}).separate_runs);
  EXPECT_FALSE(read({{"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", "1"}}).separate_runs);
  // mpirun inside a job of two nodes: its daemons are a step of srun, and their variables go on to the ranks.
  const LauncherEnvironment inside = read({{"SLURM_STEP_ID", "0"},
                                           {"SLURM_STEP_NUM_TASKS", "2"},
                                           {"OMPI_COMM_WORLD_SIZE", "8"},
                                           {"OMPI_COMM_WORLD_RANK", "5"}});
  EXPECT_FALSE(inside.separate_runs);
  EXPECT_EQ(inside.launcher, "mpirun");
  EXPECT_EQ(inside.processes, 8);
}

TEST(LauncherEnvironment, KnowsOtherLaunchersThatGiveNoPmi) {
  EXPECT_TRUE(read({{"MV2_COMM_WORLD_SIZE", "2"}, {"MV2_COMM_WORLD_RANK", "0"}}).separate_runs);
  EXPECT_TRUE(read({{"FLUX_JOB_SIZE", "2"}, {"FLUX_TASK_RANK", "1"}}).separate_runs);
  EXPECT_TRUE(read({{"JSM_NAMESPACE_SIZE", "2"}, {"JSM_NAMESPACE_RANK", "1"}}).separate_runs);
  EXPECT_FALSE(read({{"FLUX_JOB_SIZE", "2"}, {"PMI_RANK", "1"}, {"PMI_SIZE", "2"}}).separate_runs);
}

TEST(LauncherEnvironment, IgnoresWhatIsNoNumber) {
  EXPECT_FALSE(read({{"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", "many"}}).separate_runs);
}

}  // namespace
}  // namespace temper
