// Runs that Slurm starts.
#include <csignal>
#include <nlohmann/json.hpp>

#include "tests/cluster/cluster.h"

namespace temper::system_tests {
namespace {

class Slurm : public ClusterRun {
 protected:
  void SetUp() override {
    ClusterRun::SetUp();
    make("slurm", 2);
  }
  [[nodiscard]] std::vector<std::string> srun(const std::vector<std::string>& options) const {
    std::vector<std::string> words{"srun", "-N2", "-n2"};
    words.insert(words.end(), options.begin(), options.end());
    return with_slurm(words);
  }
};

TEST_F(Slurm, SrunWithPmixGivesTheBitsOfOneProcess) {
  ASSERT_EQ(train_by({}, "alone", {}).status, 0);
  const Outcome outcome = train_by(srun({"--mpi=pmix", "--cpus-per-task=2"}), "srun", {});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(weights("srun"), weights("alone"));
  // The log, the events and the checkpoint name the job; one thread per rank leaves a core idle.
  EXPECT_NE(outcome.err.find("Slurm job 1 on n[1-2]"), std::string::npos) << outcome.err;
  EXPECT_NE(read(path("srun/metrics.jsonl")).find(R"("kind":"job","job":"Slurm job 1","nodes":"n[1-2]")"),
            std::string::npos);
  EXPECT_NE(outcome.err.find("of the 2 cores"), std::string::npos) << outcome.err;
}

TEST_F(Slurm, SrunWithoutPmiIsRefusedOnce) {
  const Outcome outcome = train_by(srun({"--mpi=none"}), "out", {});
  EXPECT_EQ(outcome.status, 2) << outcome.err;
  ASSERT_EQ(outcome.messages().size(), 1U) << outcome.err;
  EXPECT_NE(outcome.messages()[0].find("srun --mpi=pmix"), std::string::npos) << outcome.messages()[0];
  EXPECT_FALSE(std::filesystem::exists(path("out")));
}

TEST_F(Slurm, ARankThatDiesEndsTheOthers) {
  for (const int victim : {0, 1}) {
    const std::string output = "out" + std::to_string(victim);
    Invocation invocation;
    invocation.meanwhile = [&, killed = false](pid_t) mutable {
      const pid_t process = killed ? 0 : rank_after_steps(output, victim, 5);
      if (process > 0) killed = kill(process, SIGKILL) == 0;
    };
    const Outcome outcome =
        train_by(srun({"--mpi=pmix"}), output, {"train.epochs=5000", "run.timeout_seconds=600"}, invocation);
    EXPECT_NE(outcome.status, 0);
    EXPECT_FALSE(outcome.timed_out);
    ASSERT_EQ(outcome.messages().size(), 1U) << outcome.err;
    EXPECT_NE(outcome.messages()[0].find("rank " + std::to_string(victim)), std::string::npos) << outcome.messages()[0];
    EXPECT_NE(outcome.messages()[0].find("has died"), std::string::npos) << outcome.messages()[0];
  }
}

TEST_F(Slurm, ScancelSavesFirst) {
  Invocation invocation;
  invocation.meanwhile = [&, cancelled = false](pid_t) mutable {
    if (cancelled || rank_after_steps("out", 0, 5) == 0) return;
    cancelled = run_command(with_slurm({"scancel", "1"}), {}).status == 0;
  };
  const Outcome outcome = train_by(srun({"--mpi=pmix"}), "out", {"train.epochs=5000"}, invocation);
  EXPECT_EQ(outcome.status, 75) << outcome.err;
  const auto report = nlohmann::json::parse(outcome.last_line());
  EXPECT_TRUE(report["stopped"].get<bool>());
  EXPECT_TRUE(std::filesystem::exists(report["checkpoint"].get<std::string>()));
}

}  // namespace
}  // namespace temper::system_tests
