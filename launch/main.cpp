// temper: the program. Errors of every command are caught here, once.
#include <cstdio>
#include <exception>
#include <span>

#include "base/error.h"
#include "launch/command_line.h"
#include "launch/commands/command.h"
#include "launch/process_clock.h"
#include "launch/ranks.h"
#include "launch/signals.h"
#include "launch/standard_streams.h"

namespace {

using namespace temper;

/// Of processes that all have the same error before they are ranks: one tells it.
int refuse(const std::string& sentence, const LauncherEnvironment& environment) {
  if (environment.speaks()) std::fprintf(stderr, "temper: %s\n", sentence.c_str());
  return static_cast<int>(ErrorKind::usage);
}

int run_on_ranks(const Command& command, int argc, char** argv, const LauncherEnvironment& environment) {
  double limit = kStartSeconds;
  try {
    limit = start_seconds(command.wait_limit());
  } catch (const Error& error) {
    return refuse(error.what(), environment);
  }
  Ranks ranks(&argc, &argv, limit);
  if (command.needs_ranks && ranks.world().size() == 1 && environment.processes > 1)
    return refuse(other_mpi_message(environment), environment);
  if (command.stops_cleanly) ranks.end_waits_on_sigterm();
  try {
    CommandContext context{ranks.world(), seconds_since_process_start()};
    const int status = command.run(context);
    require_output_written();
    return status;
  } catch (const Error& error) {
    ranks.fail(error.what(), static_cast<int>(error.kind()));
  } catch (const std::bad_alloc&) {
    ranks.fail("out of memory; lower train.batch_size or data.max_length, or raise train.gradient_accumulation",
               static_cast<int>(ErrorKind::failure));
  } catch (const std::exception& error) {
    ranks.fail(std::string("unexpected error: ") + error.what(), static_cast<int>(ErrorKind::failure));
  }
}

int run(int argc, char** argv) {
  const LauncherEnvironment environment = read_launcher_environment();
  const ProgramLine program("Fine-tunes pre-trained networks on one machine or hundreds.", "temper");
  program.requires_command();
  program.footer(
      "Example:\n  mpirun -n 2 temper train examples/sentiment.toml\nEach command has its own help: temper train "
      "--help");
  const std::vector<Command> commands{
      add_train_command(program),     add_eval_command(program),     add_predict_command(program),
      add_explain_command(program),   add_generate_command(program), add_chat_command(program),
      add_export_command(program),    add_inspect_command(program),  add_plan_command(program),
      add_tokenizer_command(program), add_bench_command(program),    add_version_command(program)};
  const std::string unknown = program.unknown_command(
      std::span<const char* const>(argv + 1, static_cast<std::size_t>(argc > 0 ? argc - 1 : 0)));
  if (!unknown.empty()) return refuse(unknown, environment);
  // Every rank parses the same words; one says what is wrong with them.
  const int status = program.parse(argc, argv, environment.speaks(), static_cast<int>(ErrorKind::usage));
  if (status == kExitDone) {
    // It was asked for help.
    try {
      require_output_written();
    } catch (const Error& unwritten) {
      std::fprintf(stderr, "temper: %s\n", unwritten.what());
      return static_cast<int>(unwritten.kind());
    }
  }
  if (status != ProgramLine::go_on) return status;

  for (const Command& command : commands) {
    if (!command.line.was_named()) continue;
    if (command.needs_ranks && environment.separate_runs)
      return refuse(separate_runs_message(environment), environment);
    ignore_file_size_signal();
    if (command.stops_cleanly) defer_stop_signals();
    return run_on_ranks(command, argc, argv, environment);
  }
  return kExitDone;
}

}  // namespace

int main(int argc, char** argv) {
  temper::fill_closed_streams();
  return run(argc, argv);
}
