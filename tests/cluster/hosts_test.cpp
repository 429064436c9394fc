// Runs over several hosts, which have nothing in common but files.
#include <csignal>
#include <nlohmann/json.hpp>

#include "tests/cluster/cluster.h"

namespace temper::system_tests {
namespace {

class Hosts : public ClusterRun {
 protected:
  void SetUp() override {
    ClusterRun::SetUp();
    make("hosts", 2);
  }
  /// One rank on each of the two hosts.
  [[nodiscard]] std::vector<std::string> ranks(const std::vector<std::string>& options = {}) const {
    std::vector<std::string> words{TEMPER_MPIEXEC, "-n", "2", "--map-by", "ppr:1:node", "--bind-to", "none"};
    words.insert(words.end(), options.begin(), options.end());
    return on("h1", words);
  }
};

TEST_F(Hosts, TwoGiveTheBitsOfOneProcess) {
  ASSERT_EQ(train_by({}, "alone", {}).status, 0);
  const Outcome outcome = train_by(ranks(), "hosts", {});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(nlohmann::json::parse(outcome.last_line())["ranks"], 2);
  EXPECT_EQ(weights("hosts"), weights("alone"));
}

TEST_F(Hosts, ANetworkThatDoesNotLeadToTheOthersEndsTheStart) {
  // As docker0 is: every host has this address, so that MPI's connections come back to where they began.
  for (const char* host : {"h1", "h2"})
    ASSERT_EQ(run_command(on(host, {"sh", "-e", "-c",
                                    "ip link add everywhere type veth peer name unused; ip link set unused up; "
                                    "ip address add 198.51.100.1/24 dev everywhere; ip link set everywhere up"}),
                          {})
                  .status,
              0);
  const Outcome outcome =
      train_by(ranks({"--mca", "btl_tcp_if_include", "198.51.100.0/24"}), "out", {"run.timeout_seconds=5"});
  EXPECT_EQ(outcome.status, 1) << outcome.err;
  EXPECT_FALSE(outcome.timed_out);
  // mpirun ends the other rank, if it is quick enough, before that says the same.
  ASSERT_FALSE(outcome.messages().empty()) << outcome.err;
  for (const char* part : {"rank 0 on h1", "MPI_Comm_dup", "btl_tcp_if_include", "temper bench machine --quick"})
    EXPECT_NE(outcome.messages()[0].find(part), std::string::npos) << part << " in " << outcome.messages()[0];
  EXPECT_FALSE(std::filesystem::exists(path("out/metrics.jsonl")));
}

TEST_F(Hosts, ARankThatDiesEndsTheOtherOnAnotherHost) {
  Invocation invocation;
  invocation.meanwhile = [this, killed = false](pid_t) mutable {
    const pid_t process = killed ? 0 : rank_after_steps("out", 1, 5);
    if (process > 0) killed = kill(process, SIGKILL) == 0;
  };
  // So mpirun leaves the others alone, as a launcher does that looks after nobody; its own status is then 0.
  const Outcome outcome =
      train_by(ranks({"--enable-recovery"}), "out", {"train.epochs=5000", "run.timeout_seconds=600"}, invocation);
  EXPECT_FALSE(outcome.timed_out);
  ASSERT_EQ(outcome.messages().size(), 1U) << outcome.err;
  EXPECT_NE(outcome.messages()[0].find("rank 0 on h1 cannot go on: rank 1 on h2 has died"), std::string::npos)
      << outcome.messages()[0];
}

}  // namespace
}  // namespace temper::system_tests
