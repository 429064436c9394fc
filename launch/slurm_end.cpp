#include "launch/slurm_end.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string_view>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "base/clock.h"

extern char** environ;

namespace temper {
namespace {

/// What a command wrote, or why there is nothing.
struct Answer {
  std::string text;
  std::string failure;
};

/// Reads until the end of the stream, or for as long as a question may take.
Answer read_answer(int stream, Clock::time_point began, double longest_seconds) {
  Answer answer;
  while (true) {
    const double left = longest_seconds - seconds_since(began);
    pollfd input{stream, POLLIN, 0};
    const int ready = left <= 0.0 ? 0 : ::poll(&input, 1, static_cast<int>(1e3 * left) + 1);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return {"", fmt::format("no answer within {:g} s", longest_seconds)};
    char piece[256];
    const ssize_t count = ::read(stream, piece, sizeof(piece));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return answer;
    answer.text.append(piece, static_cast<std::size_t>(count));
  }
}

/// Its status, waited for until `seconds` after `began`; nothing where it has not ended by then.
std::optional<int> status_of(pid_t process, Clock::time_point began, double seconds) {
  while (true) {
    int status = 0;
    const pid_t ended = ::waitpid(process, &status, WNOHANG);
    if (ended == process || (ended < 0 && errno != EINTR)) return status;
    if (seconds_since(began) > seconds) return std::nullopt;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

/// Waits for a process that has closed its output, or will never: that one is ended, with all that it has started.
std::optional<int> end_of(pid_t process, Clock::time_point began, double longest_seconds) {
  const std::optional<int> status = status_of(process, began, longest_seconds);
  if (status) return status;
  ::kill(-process, SIGKILL);
  // One that hangs in the system (a file server that is gone) outlives that; it is left to the end of this process.
  constexpr double kSecondsToDie = 0.2;
  return status_of(process, Clock::now(), kSecondsToDie);
}

/// A process that has MPI's connections open must not be forked; posix_spawn copies nothing.
Answer ask(std::vector<std::string> command, double longest_seconds) {
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) return {"", std::strerror(errno)};
  std::vector<char*> words;
  for (std::string& word : command) words.push_back(word.data());
  words.push_back(nullptr);
  std::vector<std::string> settings{"SLURM_TIME_FORMAT=standard", "LC_ALL=C"};
  std::vector<char*> environment;
  for (std::string& setting : settings) environment.push_back(setting.data());
  for (char** setting = environ; *setting != nullptr; ++setting)
    if (const std::string_view text = *setting; !text.starts_with("SLURM_TIME_FORMAT=") && !text.starts_with("LC_ALL="))
      environment.push_back(*setting);
  environment.push_back(nullptr);
  posix_spawn_file_actions_t streams;
  posix_spawn_file_actions_init(&streams);
  posix_spawn_file_actions_addopen(&streams, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&streams, pipe[1], STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&streams, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  // Signals that wait here are not to wait there; and what the command starts is to end with it.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setpgroup(&attributes, 0);
  const Clock::time_point began = Clock::now();
  pid_t process = 0;
  const int error = ::posix_spawnp(&process, words[0], &streams, &attributes, words.data(), environment.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&streams);
  ::close(pipe[1]);
  Answer answer;
  if (error != 0) {
    answer.failure = std::strerror(error);
  } else {
    answer = read_answer(pipe[0], began, longest_seconds);
    const std::optional<int> status = end_of(process, began, longest_seconds);
    if (answer.failure.empty() && !(status && WIFEXITED(*status) && WEXITSTATUS(*status) == 0))
      answer.failure = status && WIFEXITED(*status) ? fmt::format("status {}", WEXITSTATUS(*status)) : "it was ended";
  }
  ::close(pipe[0]);
  return answer;
}

/// "2026-11-29T23:15:00", local time; nothing for anything else.
std::optional<std::chrono::system_clock::time_point> local_time(const std::string& text) {
  std::tm time{};
  const char* end = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &time);
  if (end == nullptr || *end != '\0') return std::nullopt;
  time.tm_isdst = -1;
  const std::time_t seconds = std::mktime(&time);
  if (seconds < 0) return std::nullopt;
  return std::chrono::system_clock::from_time_t(seconds);
}

}  // namespace

std::optional<std::chrono::system_clock::time_point> ask_slurm_for_end(
    const Job& job, const std::function<void(const std::string&)>& say, double longest_seconds) {
  const char* id = std::getenv("SLURM_JOB_ID");
  if (job.end || id == nullptr || !job.name.starts_with("Slurm")) return std::nullopt;
  Answer answer = ask({"squeue", "--noheader", "--jobs", id, "--format", "%e"}, longest_seconds);
  const std::size_t last = answer.text.find_last_not_of(" \n");
  answer.text.resize(last == std::string::npos ? 0 : last + 1);
  if (answer.failure.empty()) {
    if (answer.text == "N/A" || answer.text == "NONE" || answer.text == "UNLIMITED") return std::nullopt;
    if (const auto end = local_time(answer.text)) return end;
    answer.failure = fmt::format("its answer is \"{}\"", answer.text.substr(0, 40));
  }
  say(
      fmt::format("when {} ends is not known (squeue: {}): set run.max_minutes, or let Slurm send a signal before "
                  "(--signal=USR1@120), to save in time",
                  job.name, answer.failure));
  return std::nullopt;
}

}  // namespace temper
