#include "base/process_identity.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <optional>
#include <sstream>
#include <system_error>

#include <filesystem>

namespace temper {
namespace {

struct ProcessStatus {
  char state = '?';
  std::int64_t started = 0;
};

/// proc(5): /proc/PID/stat. Nothing where there is no such process, or none that is shown.
std::optional<ProcessStatus> status_of(std::int64_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::ostringstream text;
  text << file.rdbuf();
  const std::string line = text.str();
  // The name of the program stands in brackets and may hold blanks and brackets itself.
  const std::size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(line.substr(name_end + 1));
  ProcessStatus status;
  fields >> status.state;
  constexpr int kFieldsUntilStart = 19;  // starttime is the 22nd of all, the state the third
  for (int i = 0; i < kFieldsUntilStart; ++i) fields >> status.started;
  return fields ? std::optional(status) : std::nullopt;
}

std::string boot_of_this_host() {
  std::string boot;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), boot);
  return boot;
}

std::string own_pid_namespace() {
  std::error_code absent;
  return std::filesystem::read_symlink("/proc/self/ns/pid", absent).string();
}

/// The process of this number, as it is numbered here.
ProcessIdentity process_here(std::int64_t pid) {
  return {host_name(), boot_of_this_host(), own_pid_namespace(), pid, status_of(pid).value_or(ProcessStatus()).started};
}

}  // namespace

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "an unnamed host";
}

ProcessIdentity this_process() { return process_here(::getpid()); }
ProcessIdentity parent_process() { return process_here(::getppid()); }

Liveness liveness_of(const ProcessIdentity& process) {
  if (process.boot.empty() || process.boot != boot_of_this_host() || process.pid_namespace != own_pid_namespace() ||
      process.pid <= 0)
    return Liveness::unknown;
  if (const std::optional<ProcessStatus> status = status_of(process.pid)) {
    const bool ended = status->state == 'Z' || status->state == 'X';
    return !ended && status->started == process.started ? Liveness::alive : Liveness::dead;
  }
  // It may be hidden from other users (the mount option hidepid).
  return ::kill(static_cast<pid_t>(process.pid), 0) == 0 || errno == EPERM ? Liveness::alive : Liveness::dead;
}

}  // namespace temper
