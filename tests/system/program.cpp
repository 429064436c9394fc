#include "tests/system/program.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <sstream>
#include <stdexcept>
#include <string_view>

namespace temper::system_tests {
namespace {

using Clock = std::chrono::steady_clock;

struct Pipe {
  std::array<int, 2> ends{};
  Pipe() {
    if (pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  }
  ~Pipe() {
    close_end(0);
    close_end(1);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  void close_end(std::size_t end) {
    if (ends[end] >= 0) ::close(ends[end]);
    ends[end] = -1;
  }
};

[[noreturn]] void become(const std::vector<std::string>& command, const Invocation& invocation, const Pipe& in,
                         const Pipe& out, const Pipe& err) {
  dup2(in.ends[0], STDIN_FILENO);
  dup2(out.ends[1], STDOUT_FILENO);
  dup2(err.ends[1], STDERR_FILENO);
  // Its own process group, so that a run past its limit can be ended with all that it started.
  setpgid(0, 0);
  if (!invocation.folder.empty() && chdir(invocation.folder.c_str()) != 0) _exit(127);
  // Tests that run inside a scheduler's job are not part of it.
  for (const char* name : {"SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_STEP_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID"})
    unsetenv(name);
  // Nor do they know what was measured on this machine.
  if (!invocation.folder.empty()) setenv("XDG_CONFIG_HOME", (invocation.folder / "no-configuration").c_str(), 1);
  // As tests/CMakeLists.txt says of runs under mpirun; what a test asks for comes behind it.
  if (std::find(command.begin(), command.end(), TEMPER_MPIEXEC) != command.end())
    setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
  for (const std::string& setting : invocation.environment) putenv(const_cast<char*>(setting.c_str()));
  if (geteuid() == 0) {
    setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
    setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
  }
  if (invocation.largest_file_bytes > 0) {
    const rlimit limit{static_cast<rlim_t>(invocation.largest_file_bytes),
                       static_cast<rlim_t>(invocation.largest_file_bytes)};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  signal(SIGPIPE, SIG_DFL);
  std::vector<char*> words;
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  execvp(words[0], words.data());
  _exit(127);
}

/// Appends what a pipe holds; false at its end.
bool drain(int descriptor, std::string& text) {
  std::array<char, 4096> buffer{};
  const ssize_t count = ::read(descriptor, buffer.data(), buffer.size());
  if (count > 0) text.append(buffer.data(), static_cast<std::size_t>(count));
  return count > 0;
}

/// Writes what a pipe takes of `text`, and leaves the rest in it, nothing if nobody reads any more; false at its end.
bool feed(int descriptor, std::string_view& text) {
  const ssize_t count = ::write(descriptor, text.data(), text.size());
  if (count > 0) text.remove_prefix(static_cast<std::size_t>(count));
  if (count < 0 && errno != EAGAIN && errno != EINTR) text = {};
  return !text.empty();
}

}  // namespace

std::vector<std::string> Outcome::messages() const {
  std::vector<std::string> found;
  std::istringstream lines(err);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("temper: ")) found.push_back(line);
  return found;
}

std::string Outcome::err_without_device() const {
  std::istringstream lines(err);
  std::string kept;
  for (std::string line; std::getline(lines, line);)
    if (!line.starts_with("no GPU to use (")) kept += line + "\n";
  return kept;
}

std::string Outcome::last_line() const {
  std::istringstream lines(out);
  std::string last;
  for (std::string line; std::getline(lines, line);)
    if (!line.empty()) last = line;
  return last;
}

std::vector<std::string> command_line(const Invocation& invocation) {
  std::vector<std::string> command;
  if (invocation.ranks > 0)
    command = {TEMPER_MPIEXEC, "-n", std::to_string(invocation.ranks), "--oversubscribe", "--bind-to", "none"};
  command.emplace_back(TEMPER_PROGRAM);
  command.insert(command.end(), invocation.arguments.begin(), invocation.arguments.end());
  return command;
}

Outcome run(const Invocation& invocation) { return run_command(command_line(invocation), invocation); }

Outcome run_command(const std::vector<std::string>& command, const Invocation& invocation) {
  Pipe in;
  Pipe out;
  Pipe err;
  const Clock::time_point start = Clock::now();
  const pid_t child = fork();
  if (child < 0) throw std::runtime_error("no fork");
  if (child == 0) become(command, invocation, in, out, err);
  in.close_end(0);
  out.close_end(1);
  err.close_end(1);
  // Who never reads is no failure here.
  signal(SIGPIPE, SIG_IGN);
  fcntl(in.ends[1], F_SETFL, O_NONBLOCK);
  std::string_view input = invocation.input;
  if (input.empty()) in.close_end(1);

  Outcome outcome;
  bool out_open = true;
  bool err_open = true;
  while (out_open || err_open) {
    std::array<pollfd, 3> ready{pollfd{out_open ? out.ends[0] : -1, POLLIN, 0},
                                pollfd{err_open ? err.ends[0] : -1, POLLIN, 0},
                                pollfd{input.empty() ? -1 : in.ends[1], POLLOUT, 0}};
    poll(ready.data(), ready.size(), 20);
    if (ready[0].revents != 0) out_open = drain(out.ends[0], outcome.out);
    if (ready[1].revents != 0) err_open = drain(err.ends[0], outcome.err);
    if (ready[2].revents != 0 && !feed(in.ends[1], input)) in.close_end(1);
    if (invocation.meanwhile) invocation.meanwhile(child);
    outcome.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    if (outcome.seconds > invocation.limit_seconds && !outcome.timed_out) {
      outcome.timed_out = true;
      kill(-child, SIGKILL);
    }
  }
  int status = 0;
  waitpid(child, &status, 0);
  outcome.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome;
}

}  // namespace temper::system_tests
