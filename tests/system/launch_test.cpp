// How the program starts and ends: launchers, signals, clocks, and output that goes nowhere.
#include <gtest/gtest.h>

#include <csignal>
#include <ctime>
#include <iterator>
#include <nlohmann/json.hpp>
#include <regex>
#include <utility>

#include "base/allowed_cpus.h"
#include "tests/system/tiny_run.h"

namespace temper::system_tests {
namespace {

class Launch : public TinyRun {
 protected:
  Outcome run_with(const std::vector<std::string>& arguments, const std::vector<std::string>& environment) const {
    Invocation invocation;
    invocation.arguments = arguments;
    invocation.environment = environment;
    invocation.folder = folder_;
    return run(invocation);
  }
  /// Through a shell: "$0" is the program, "$@" its arguments.
  Outcome run_in_shell(const std::string& script, const std::vector<std::string>& arguments,
                       Invocation invocation = {}) const {
    std::vector<std::string> command{"sh", "-c", script, TEMPER_PROGRAM};
    command.insert(command.end(), arguments.begin(), arguments.end());
    invocation.folder = folder_;
    return run_command(command, invocation);
  }
  /// Sends a signal once the run in `output` has taken some steps.
  std::function<void(pid_t)> signal_after_steps(const std::string& output, int signal) const {
    return [this, output, signal, sent = false](pid_t process) mutable {
      if (!sent && read(path(output) / "metrics.jsonl").size() > 1000) sent = kill(process, signal) == 0;
    };
  }
};

TEST_F(Launch, ProcessesThatSrunStartedWithoutPmiAreRefusedOnce) {
  const auto task = [&](const char* number, const char* command) {
    return run_with({command, "run.toml"},
                    {"SLURM_STEP_ID=0", "SLURM_STEP_NUM_TASKS=2", std::string("SLURM_PROCID=") + number});
  };
  const Outcome first = task("0", "train");
  EXPECT_EQ(first.status, 2);
  ASSERT_EQ(first.messages().size(), 1U) << first.err;
  EXPECT_NE(first.messages()[0].find("srun --mpi=pmix"), std::string::npos) << first.messages()[0];
  const Outcome second = task("1", "train");
  EXPECT_EQ(second.status, 2);
  EXPECT_TRUE(second.err.empty()) << second.err;
  EXPECT_FALSE(std::filesystem::exists(path("runs")));
  // What version says is true of each.
  EXPECT_EQ(run_with({"version"}, {"SLURM_STEP_ID=0", "SLURM_STEP_NUM_TASKS=2", "SLURM_PROCID=1"}).status, 0);
}

TEST_F(Launch, ProcessesOfAnotherMpiAreRefused) {
  // What Open MPI leaves in modules that it has unloaded again has no name by which it could be suppressed.
  const std::string leaks = "ASAN_OPTIONS=detect_leaks=0";
  const Outcome outcome = run_with({"train", "run.toml"}, {"PMI_SIZE=2", "PMI_RANK=0", leaks});
  EXPECT_EQ(outcome.status, 2) << outcome.err;
  ASSERT_EQ(outcome.messages().size(), 1U) << outcome.err;
  EXPECT_NE(outcome.messages()[0].find("another MPI"), std::string::npos) << outcome.messages()[0];
  EXPECT_TRUE(run_with({"train", "run.toml"}, {"PMI_SIZE=2", "PMI_RANK=1", leaks}).messages().empty());
}

TEST_F(Launch, AMistypedOptionIsNamedWithTheNearest) {
  const Outcome outcome = run_with({"predict", "model", "rows.csv", "--ouput=labels.jsonl"}, {});
  EXPECT_EQ(outcome.status, 2);
  ASSERT_EQ(outcome.messages().size(), 1U) << outcome.err;
  EXPECT_NE(outcome.messages()[0].find("unknown option --ouput of temper predict; did you mean --output?"),
            std::string::npos)
      << outcome.messages()[0];
  EXPECT_NE(run_with({"bench", "machine", "--quikc"}, {})
                .err.find("unknown option --quikc of temper bench machine; did you mean "
                          "--quick?"),
            std::string::npos);
  const Outcome far = run_with({"train", "run.toml", "--qqqqqqqqqqqqqqqq"}, {});
  EXPECT_EQ(far.status, 2);
  EXPECT_EQ(far.err.find("did you mean"), std::string::npos) << far.err;
}

TEST_F(Launch, AMistypedCommandIsNamedWithTheNearest) {
  const Outcome outcome = run_with({"trian", "run.toml"}, {});
  EXPECT_EQ(outcome.status, 2);
  ASSERT_EQ(outcome.messages().size(), 1U) << outcome.err;
  EXPECT_NE(outcome.messages()[0].find("unknown command trian of temper; did you mean train?"), std::string::npos)
      << outcome.messages()[0];
  EXPECT_NE(run_with({"bench", "machin"}, {}).err.find("did you mean machine?"), std::string::npos);
  for (const char* variable : {"OMPI_COMM_WORLD_RANK=1", "PMIX_RANK=1"}) {
    const Outcome other = run_with({"train", "--jsn"}, {variable, "OMPI_COMM_WORLD_SIZE=2"});
    EXPECT_EQ(other.status, 2);
    EXPECT_TRUE(other.err.empty()) << other.err;
  }
}

TEST_F(Launch, AStartLimitThatIsNoNumberIsRefused) {
  const Outcome outcome = run_with({"version"}, {"TEMPER_START_TIMEOUT_SECONDS=soon"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_NE(outcome.err.find("TEMPER_START_TIMEOUT_SECONDS"), std::string::npos) << outcome.err;
}

TEST_F(Launch, RanksThatCannotStartSayWhy) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "AddressSanitizer itself does not come up with so few descriptors";
#endif
  Invocation invocation;
  invocation.environment = {"OMPI_COMM_WORLD_SIZE=1", "OMPI_COMM_WORLD_RANK=0"};
  // The one free descriptor is taken for standard input.
  const Outcome outcome = run_in_shell("exec <&-; ulimit -n 3; exec \"$0\" \"$@\"", {"plan", "run.toml"}, invocation);
  EXPECT_EQ(outcome.status, 1) << outcome.err;
  ASSERT_EQ(outcome.messages().size(), 1U) << outcome.err;
  EXPECT_NE(outcome.messages()[0].find("ulimit -n"), std::string::npos) << outcome.messages()[0];
}

TEST_F(Launch, OutputThatCannotBeWrittenIsAFailureOfEveryCommand) {
  ASSERT_EQ(train("out", {"train.epochs=1"}).status, 0);
  const std::string model = "out/model";
  const std::string checkpoint = "out/checkpoints/checkpoint-00000007.h5";
  const std::vector<std::vector<std::string>> commands{
      {"train", "run.toml", "--set", "train.epochs=1", "--json"},
      {"eval", model, "data/test.csv", "--json"},
      {"predict", model, "data/test.csv", "-o", "labels.jsonl", "--json"},
      {"predict", model, "data/test.csv"},
      {"export", checkpoint, "-o", "exported", "--json"},
      {"inspect", model, "--json"},
      {"inspect", model},
      {"plan", "run.toml", "--json"},
      {"train", "--help-config"},
      {"version", "--json"},
      {"version"},
      {"--help"},
  };
  for (const std::vector<std::string>& command : commands) {
    const Outcome outcome = run_in_shell("exec \"$0\" \"$@\" > /dev/full", command);
    EXPECT_EQ(outcome.status, 1) << command[0] << ": " << outcome.err;
    ASSERT_EQ(outcome.messages().size(), 1U) << command[0] << ": " << outcome.err;
    EXPECT_NE(outcome.messages()[0].find("standard output"), std::string::npos) << outcome.messages()[0];
  }
  // Nobody wants the text of an output that is closed; an object that was asked for is another thing.
  EXPECT_EQ(run_in_shell("exec \"$0\" \"$@\" >&-", {"version"}).status, 0);
  EXPECT_EQ(run_in_shell("exec \"$0\" \"$@\" >&-", {"version", "--json"}).status, 1);
}

TEST_F(Launch, AClosedTerminalSavesUnlessItIsIgnored) {
  Invocation invocation;
  invocation.meanwhile = signal_after_steps("out", SIGHUP);
  const Outcome outcome = train("out", {"train.epochs=5000"}, 0, invocation);
  EXPECT_EQ(outcome.status, 75) << outcome.err;
  EXPECT_TRUE(nlohmann::json::parse(outcome.last_line())["stopped"].get<bool>());

  invocation.meanwhile = signal_after_steps("deaf", SIGHUP);
  const Outcome deaf = run_in_shell(
      "trap '' HUP; exec \"$0\" \"$@\"",
      {"train", "run.toml", "--set", "output.dir=" + path("deaf").string(), "--set", "train.epochs=20"}, invocation);
  EXPECT_EQ(deaf.status, 0) << deaf.err;
}

TEST_F(Launch, ARunSavesBeforeItsTimeIsUp) {
  const Outcome own = train("out", {"train.epochs=5000", "run.max_minutes=0.05"});
  EXPECT_EQ(own.status, 75) << own.err;
  const auto report = nlohmann::json::parse(own.last_line());
  EXPECT_TRUE(report["stopped_in_time"].get<bool>());
  EXPECT_GT(report["steps"].get<int>(), 0);
  EXPECT_TRUE(std::filesystem::exists(path(report["checkpoint"].get<std::string>())));
}

TEST_F(Launch, ARunInASlurmJobSavesBeforeItsEndAndNamesIt) {
  Invocation invocation;
  invocation.environment = {"SLURM_JOB_ID=25", "SLURM_JOB_NODELIST=n[3-4]", "SLURM_RESTART_COUNT=2",
                            "SLURM_JOB_END_TIME=" + std::to_string(std::time(nullptr) + 33)};
  const Outcome outcome = train("out", {"train.epochs=5000"}, 2, invocation);
  EXPECT_EQ(outcome.status, 75) << outcome.err;
  EXPECT_NE(outcome.err.find("Slurm job 25 on n[3-4], started again 2 times"), std::string::npos) << outcome.err;
  EXPECT_NE(read(path("out/metrics.jsonl")).find(R"("job":"Slurm job 25","nodes":"n[3-4]","restarts":2)"),
            std::string::npos);
  Invocation inspect;
  inspect.arguments = {"inspect", nlohmann::json::parse(outcome.last_line())["checkpoint"], "--json"};
  inspect.folder = folder_;
  EXPECT_NE(run(inspect).out.find("Slurm job 25 on n[3-4]"), std::string::npos);
}

/// The first CPUs that this process may use, at most two: "0,1", and their number.
std::pair<std::string, int> two_cpus() {
  std::string list;
  int count = 0;
  const std::vector<std::uint64_t> cpus = allowed_cpus();
  for (std::size_t cpu = 0; cpu < 64 * cpus.size() && count < 2; ++cpu)
    if ((cpus[cpu / 64] >> cpu % 64 & 1) != 0) list += (count++ == 0 ? "" : ",") + std::to_string(cpu);
  return {list, count};
}

/// How often a run says that its threads share cores.
std::ptrdiff_t crowding_notes(const Outcome& outcome) {
  static const std::regex kNote(
      "ranks? of [0-9]+ threads? on [^ ]+ shares? [0-9]+ cores?, and threads that share a core wait");
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  return std::distance(std::sregex_iterator(outcome.err.begin(), outcome.err.end(), kNote), std::sregex_iterator());
}

TEST_F(Launch, ThreadsBeyondTheCoresAreTold) {
  // However many the machine has, no run here needs more than a few threads.
  const auto [cpus, count] = two_cpus();
  const auto train_bound = [&, list = cpus](const std::string& output, std::vector<std::string> overrides, int ranks) {
    Invocation invocation;
    invocation.ranks = ranks;
    invocation.folder = folder_;
    invocation.arguments = {"train", "run.toml", "--json", "--set", "output.dir=" + output, "--set", "run.device=cpu"};
    for (const std::string& text : overrides) invocation.arguments.insert(invocation.arguments.end(), {"--set", text});
    std::vector<std::string> command{"taskset", "-c", list};
    for (const std::string& word : command_line(invocation)) command.push_back(word);
    return run_command(command, invocation);
  };
  EXPECT_EQ(crowding_notes(train_bound("alone", {"train.max_steps=1", "run.threads=1"}, 0)), 0);
  EXPECT_EQ(crowding_notes(train_bound("many", {"train.max_steps=1", "run.threads=4"}, 0)), 1);
  // Threads per rank stay, and there are more ranks.
  const std::string own = std::to_string(count);
  const std::vector<std::string> shared{"train.grains=4", "train.schedule=constant"};
  ASSERT_EQ(train_bound("out", {"train.max_steps=1", shared[0], shared[1], "run.threads=" + own}, 0).status, 0);
  const Outcome more = train_bound("out", {"train.max_steps=2", shared[0], shared[1]}, 2);
  EXPECT_EQ(crowding_notes(more), 1) << more.err;
  EXPECT_NE(more.err.find("2 ranks of " + own + " thread"), std::string::npos) << more.err;
}

TEST_F(Launch, CoresThatOpenMpBindsThreadsToAreAllCounted) {
  // OpenMP binds the main thread to one place before the program begins.
  const std::string threads = "run.threads=" + std::to_string(two_cpus().second);
  const auto notes = [&](const std::string& output, std::vector<std::string> environment) {
    Invocation invocation;
    invocation.environment = std::move(environment);
    return crowding_notes(train(output, {"train.max_steps=1", threads}, 0, invocation));
  };
  const std::ptrdiff_t unbound = notes("unbound", {});
  EXPECT_EQ(notes("bound", {"OMP_PROC_BIND=true"}), unbound);
  EXPECT_EQ(notes("placed", {"OMP_PLACES=threads", "OMP_PROC_BIND=close"}), unbound);
}

TEST_F(Launch, WhereSlurmSetsNoEndItIsAskedForIt) {
  const auto with_squeue = [&](const std::string& script) {
    write("bin/squeue", "#!/bin/sh\necho \"$@\" \"$SLURM_TIME_FORMAT\" > squeue.log\n" + script);
    std::filesystem::permissions(path("bin/squeue"), std::filesystem::perms::owner_all);
    Invocation invocation;
    invocation.environment = {"SLURM_JOB_ID=25", "PATH=" + path("bin").string() + ":/usr/bin:/bin",
                              "SLURM_TIME_FORMAT=relative"};
    return invocation;
  };
  std::filesystem::create_directories(path("bin"));
  const std::string script = "date -d '+33 seconds' +%Y-%m-%dT%H:%M:%S\n";
  // In one process, for mpirun puts the folder that it comes from before all others, and a squeue may be there, too.
  // A machine that is busy with others may need longer for a shell than squeue is given; its own limit ends that run.
  Outcome saved;
  for (int attempt = 0; attempt < 4; ++attempt) {
    saved = train("out-" + std::to_string(attempt), {"train.epochs=5000", "run.max_minutes=1"}, 0, with_squeue(script));
    if (saved.err.find("no answer within") == std::string::npos) break;
  }
  EXPECT_EQ(saved.err.find("is not known"), std::string::npos) << saved.err;
  EXPECT_EQ(saved.status, 75) << saved.err;
  EXPECT_TRUE(nlohmann::json::parse(saved.last_line())["stopped_in_time"].get<bool>());
  EXPECT_EQ(read(path("squeue.log")), "--noheader --jobs 25 --format %e standard\n");

  // No answer: nothing ends the run. The other answers are slurm_end_test's.
  const Outcome outcome = train("silent", {"train.max_steps=1"}, 0, with_squeue("exec sleep 100\n"));
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("when Slurm job 25 ends is not known (squeue: no answer within 2 s)"), std::string::npos)
      << outcome.err;
}

TEST_F(Launch, ASignalToOneRankIsToldAsASignal) {
  Invocation invocation;
  invocation.meanwhile = [this, sent = false](pid_t mpirun) mutable {
    if (sent || read(path("out") / "metrics.jsonl").size() < 1000) return;
    const std::string list = read("/proc/" + std::to_string(mpirun) + "/task/" + std::to_string(mpirun) + "/children");
    pid_t first = 0;
    pid_t second = 0;
    if (std::sscanf(list.c_str(), "%d %d", &first, &second) == 2) sent = kill(second, SIGUSR1) == 0;
  };
  const Outcome outcome = train("out", {"train.epochs=5000"}, 2, invocation);
  EXPECT_EQ(outcome.status, 75) << outcome.err;
  const auto report = nlohmann::json::parse(outcome.last_line());
  EXPECT_TRUE(report["stopped"].get<bool>());
  EXPECT_FALSE(report["stopped_in_time"].get<bool>());
}

TEST_F(Launch, ARankThatDiesEndsTheOthersWhereTheirLauncherDoesNot) {
  Invocation invocation;
  invocation.meanwhile = [this, killed = false](pid_t mpirun) mutable {
    if (killed || read(path("out") / "metrics.jsonl").size() < 1000) return;
    const std::string list = read("/proc/" + std::to_string(mpirun) + "/task/" + std::to_string(mpirun) + "/children");
    pid_t first = 0;
    pid_t second = 0;
    if (std::sscanf(list.c_str(), "%d %d", &first, &second) == 2) killed = kill(second, SIGKILL) == 0;
  };
  std::vector<std::string> command{TEMPER_MPIEXEC,    "--enable-recovery", "-n",    "3",
                                   "--oversubscribe", "--bind-to",         "none",  TEMPER_PROGRAM,
                                   "train",           "run.toml",          "--set", "train.epochs=5000",
                                   "--set",           "output.dir=out",    "--set", "run.timeout_seconds=600"};
  invocation.folder = folder_;
  const Outcome outcome = run_command(command, invocation);
  EXPECT_FALSE(outcome.timed_out);
  ASSERT_EQ(outcome.messages().size(), 1U) << outcome.err;
  EXPECT_NE(outcome.messages()[0].find("rank 0 on "), std::string::npos) << outcome.messages()[0];
  EXPECT_NE(outcome.messages()[0].find("has died without a word"), std::string::npos) << outcome.messages()[0];
}

}  // namespace
}  // namespace temper::system_tests
