#include "tests/cluster/cluster.h"

#include <algorithm>
#include <charconv>

#include "tests/places.h"

namespace temper::system_tests {
namespace {

constexpr int kNotToBeHad = 77;

int run_script(const std::string& script, const std::vector<std::string>& words) {
  std::vector<std::string> command{script};
  command.insert(command.end(), words.begin(), words.end());
  const Outcome outcome = run_command(command, {});
  if (outcome.status != 0 && outcome.status != kNotToBeHad)
    throw std::runtime_error(script + " " + words[1] + ": " + outcome.err);
  return outcome.status;
}

}  // namespace

Cluster::Cluster(std::string kind, std::filesystem::path folder, int size)
    : kind_(std::move(kind)),
      folder_(std::move(folder)),
      exists_(run_script(script(), {folder_.string(), "up", std::to_string(size)}) == 0) {}

Cluster::~Cluster() {
  if (exists_) run_command({script(), folder_.string(), "down"}, {});
}

std::string Cluster::script() const {
  return (testing_support::source_directory() / "tests/cluster" / (kind_ + ".sh")).string();
}

void ClusterRun::make(const std::string& kind, int size) {
  cluster_ = std::make_unique<Cluster>(kind, path("cluster"), size);
  if (!cluster_->exists()) GTEST_SKIP() << "this machine cannot have " << kind;
}

void ClusterRun::TearDown() {
  cluster_.reset();
  TinyRun::TearDown();
}

Outcome ClusterRun::train_by(std::vector<std::string> launcher, const std::string& output,
                             std::vector<std::string> overrides, Invocation invocation) const {
  launcher.insert(launcher.end(), {TEMPER_PROGRAM, "train", path("run.toml").string(), "--json"});
  overrides.insert(overrides.end(), {"train.grains=2", "output.tensorboard=false",
                                     "model.path=" + path("model").string(), "output.dir=" + path(output).string()});
  for (const char* part : {"train", "validation", "test"})
    overrides.push_back(std::string("data.") + part + "=" + (path("data") / (std::string(part) + ".csv")).string());
  for (std::string& text : overrides) {
    launcher.emplace_back("--set");
    launcher.push_back(std::move(text));
  }
  invocation.folder = folder_;
  return run_command(launcher, invocation);
}

std::vector<std::string> ClusterRun::on(const std::string& host, std::vector<std::string> command) const {
  std::vector<std::string> words{"env",
                                 "OMPI_MCA_plm_rsh_agent=" + (cluster_->folder() / "enter").string(),
                                 "OMPI_MCA_orte_default_hostfile=" + (cluster_->folder() / "hostfile").string(),
                                 cluster_->script(),
                                 cluster_->folder().string(),
                                 "on",
                                 host};
  words.insert(words.end(), command.begin(), command.end());
  return words;
}

std::vector<std::string> ClusterRun::with_slurm(std::vector<std::string> command) const {
  command.insert(command.begin(), {"env", "SLURM_CONF=" + (cluster_->folder() / "slurm.conf").string()});
  return command;
}

pid_t ClusterRun::rank_after_steps(const std::string& output, int rank, int steps) const {
  const std::string events = read(path(output) / "metrics.jsonl");
  if (std::count(events.begin(), events.end(), '\n') < steps) return 0;
  const std::string number = std::to_string(rank);
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename().string();
    pid_t process = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), process).ec != std::errc()) continue;
    std::string program = read(entry.path() / "comm");
    if (program != "temper\n" || read(entry.path() / "cmdline").find(path(output).string()) == std::string::npos)
      continue;
    const std::string environment = '\0' + read(entry.path() / "environ");
    for (const char* variable : {"OMPI_COMM_WORLD_RANK=", "PMIX_RANK="})
      if (environment.find('\0' + (variable + number) + '\0') != std::string::npos) return process;
  }
  return 0;
}

}  // namespace temper::system_tests
