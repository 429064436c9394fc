// Runs the built program, alone or under mpirun, as a user would.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace temper::system_tests {

struct Outcome {
  int status = -1;         ///< exit status; 128 + signal where one ended it
  bool timed_out = false;  ///< was ended because it ran past its limit
  double seconds = 0.0;
  std::string out;
  std::string err;

  /// The lines of standard error that the program itself wrote as an error.
  [[nodiscard]] std::vector<std::string> messages() const;
  /// Standard error without the line that a build with CUDA writes where there is no GPU.
  [[nodiscard]] std::string err_without_device() const;
  [[nodiscard]] std::string last_line() const;
};

struct Invocation {
  std::vector<std::string> arguments = {};  ///< of temper
  int ranks = 0;                            ///< 0: without mpirun
  std::string input = {};                   ///< standard input
  double limit_seconds = 120.0;
  std::int64_t largest_file_bytes = 0;        ///< 0: no limit
  std::filesystem::path folder = {};          ///< to run in; empty: the current one
  std::vector<std::string> environment = {};  ///< NAME=VALUE, beside our own
  /// Called again and again while the program runs, with the process that was started (mpirun, where there are ranks).
  std::function<void(pid_t)> meanwhile = {};
};

Outcome run(const Invocation& invocation);
/// Any command line, under the same rules.
Outcome run_command(const std::vector<std::string>& command, const Invocation& invocation);
/// The command line that starts temper on so many ranks.
std::vector<std::string> command_line(const Invocation& invocation);

}  // namespace temper::system_tests
