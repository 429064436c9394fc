// Which process of which host, so that another one, perhaps on another host, can tell whether it still lives.
#pragma once

#include <cstdint>
#include <string>

namespace temper {

/// The name of this host.
std::string host_name();

struct ProcessIdentity {
  std::string host;
  std::string boot;           ///< of the host's kernel, another one after each start of it; empty: unknown
  std::string pid_namespace;  ///< in which `pid` is a process's number: containers count for themselves
  std::int64_t pid = 0;
  std::int64_t started = 0;  ///< in ticks since the host's start: a number is given to a new process after a while
};

ProcessIdentity this_process();
/// Who started this process, or took it over.
ProcessIdentity parent_process();

enum class Liveness : std::uint8_t { alive, dead, unknown };

/// Unknown where it is a process of another host, or of a container whose processes cannot be seen from here.
Liveness liveness_of(const ProcessIdentity& process);

}  // namespace temper
