// What the sub-commands share: how each is declared, and what it is given.
#pragma once

#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "launch/command_line.h"

namespace temper {

/// Exit statuses beside those of ErrorKind.
inline constexpr int kExitDone = 0;
inline constexpr int kExitStopped = 75;  ///< stopped by a signal after saving: try again (sysexits.h: EX_TEMPFAIL)

/// What a command runs in.
struct CommandContext {
  Communicator& world;
  double process_seconds;  ///< since the process began
  [[nodiscard]] bool speaks() const { return world.rank() == 0; }
};

/// A parsed command: runs on all ranks and returns the exit status. Throws Error.
using CommandBody = std::function<int(CommandContext&)>;

/// Declares a sub-command; when it was named, the returned body runs it.
struct Command {
  CommandLine line;
  CommandBody run;
  bool stops_cleanly = false;  ///< asks for stop signals and ends in its own time
  bool needs_ranks = true;     ///< false: several processes may run it, each for itself
  /// How long it will let ranks wait for each other, if its arguments say so; asked before MPI starts.
  std::function<std::optional<double>()> wait_limit = [] { return std::nullopt; };
};

Command add_train_command(const CommandLine& program);
Command add_eval_command(const CommandLine& program);
Command add_predict_command(const CommandLine& program);
Command add_explain_command(const CommandLine& program);
Command add_generate_command(const CommandLine& program);
Command add_chat_command(const CommandLine& program);
Command add_export_command(const CommandLine& program);
Command add_inspect_command(const CommandLine& program);
Command add_bench_command(const CommandLine& program);
Command add_plan_command(const CommandLine& program);
Command add_tokenizer_command(const CommandLine& program);
Command add_version_command(const CommandLine& program);

}  // namespace temper
