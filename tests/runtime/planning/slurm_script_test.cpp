#include "runtime/planning/slurm_script.h"

#include <gtest/gtest.h>

#include "base/mapped_file.h"
#include "tests/places.h"

namespace temper {
namespace {

TEST(SlurmScript, IsTheOneThatTheDocumentsShow) {
  SlurmJob job;
  job.nodes = 2;
  job.ranks = 16;
  job.cores_of_rank = 4;
  job.minutes = 240;
  job.command = {"temper", "train", "run.toml"};
  const std::string script = slurm_script(job);
  EXPECT_EQ(script,
            "#!/bin/bash\n"
            "#SBATCH --nodes=2 --ntasks-per-node=8 --cpus-per-task=4 --time=04:00:00\n"
            "#SBATCH --signal=USR1@120 --requeue --open-mode=append\n"
            "srun --mpi=pmix --kill-on-bad-exit=1 --cpus-per-task=4 temper train run.toml\n"
            "status=$?\n"
            "[ $status -ne 75 ] || scontrol requeue \"$SLURM_JOB_ID\"\n"
            "exit $status\n");
  std::string indented;
  for (std::size_t begin = 0; begin < script.size(); begin = script.find('\n', begin) + 1)
    indented += "    " + script.substr(begin, script.find('\n', begin) + 1 - begin);
  EXPECT_NE(read_text_file(testing_support::source_directory() / "docs" / "clusters.md").find(indented),
            std::string::npos);
}

TEST(SlurmScript, NamesWhatIsKnownAndQuotesForTheShell) {
  SlurmJob job;
  job.name = "my run";
  job.folder = "/data/a b";
  job.nodes = 2;
  job.ranks = 3;
  job.memory_mib_of_node = 4096;
  job.minutes = 3 * 1440 + 61;
  job.remarks = {"measured for 2 s only"};
  job.command = {"temper", "train", "it's.toml", "--set", "data.labels=[\"a\"]"};
  const std::string script = slurm_script(job);
  for (const char* part :
       {"#SBATCH --job-name='my run'\n", "#SBATCH --chdir='/data/a b'\n",
        "--nodes=2 --ntasks=3 --ntasks-per-node=2 --cpus-per-task=1 --time=3-01:01:00\n", "#SBATCH --mem=4096M\n",
        "# measured for 2 s only\nsrun ", " temper train 'it'\\''s.toml' --set 'data.labels=[\"a\"]'\nstatus=$?\n"})
    EXPECT_NE(script.find(part), std::string::npos) << part << "\n" << script;
}

TEST(SlurmScript, LeavesOutWhatSbatchCannotRead) {
  for (const char* odd : {"it's", "a\"b", "a\\b", "a\nb"}) {
    SlurmJob job;
    job.name = odd;
    job.folder = std::string("/data/") + odd;
    job.command = {"temper"};
    const std::string script = slurm_script(job);
    EXPECT_EQ(script.find("--job-name"), std::string::npos) << script;
    EXPECT_EQ(script.find("--chdir"), std::string::npos) << script;
    // The shell can go there.
    EXPECT_LT(script.find("\ncd '/data/"), script.find("srun ")) << script;
  }
}

TEST(SlurmScript, AsksForTimeToSaveAndToSpare) {
  EXPECT_EQ(slurm_minutes(0.0), 5);
  EXPECT_EQ(slurm_minutes(3600.0), 85);
}

}  // namespace
}  // namespace temper
