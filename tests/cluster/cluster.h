// Clusters on one machine, for whole runs of the built program: hosts made of namespaces, and a Slurm of its own.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tests/system/tiny_run.h"

namespace temper::system_tests {

/// What hosts.sh and slurm.sh make; ended with it.
class Cluster {
 public:
  /// `kind`: "hosts" or "slurm". Its files lie in `folder`.
  Cluster(std::string kind, std::filesystem::path folder, int size);
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  /// Whether this machine can have it (programs installed, namespaces allowed).
  [[nodiscard]] bool exists() const { return exists_; }
  [[nodiscard]] std::string script() const;
  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }

 private:
  std::string kind_;
  std::filesystem::path folder_;
  bool exists_;
};

/// A tiny run on a cluster, which every test makes anew.
class ClusterRun : public TinyRun {
 protected:
  /// Skips the test where there can be none.
  void make(const std::string& kind, int size);
  void TearDown() override;

  /// temper train with these overrides, started by the words before it ("srun", "-n2").
  [[nodiscard]] Outcome train_by(std::vector<std::string> launcher, const std::string& output,
                                 std::vector<std::string> overrides, Invocation invocation = {}) const;
  /// Words that run a command on a host, or with Slurm's settings.
  [[nodiscard]] std::vector<std::string> on(const std::string& host, std::vector<std::string> command) const;
  [[nodiscard]] std::vector<std::string> with_slurm(std::vector<std::string> command) const;

  /// The process of a rank of the run in <folder>/<output>; 0 while it has taken fewer than `steps` steps.
  [[nodiscard]] pid_t rank_after_steps(const std::string& output, int rank, int steps) const;

  std::unique_ptr<Cluster> cluster_;
};

}  // namespace temper::system_tests
