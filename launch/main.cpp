// temper: the program. Errors of every command are caught here, once.
#include <cstdlib>
#include <exception>
#include <string_view>

#include "base/error.h"
#include "launch/commands/command.h"
#include "launch/process_clock.h"
#include "launch/ranks.h"
#include "launch/signals.h"

namespace {

int run(int argc, char** argv) {
  using namespace temper;
  const ProgramLine program("Fine-tunes pre-trained networks on one machine or on hundreds.", "temper");
  program.requires_command();
  program.footer(
      "Example:\n  mpirun -n 2 temper train examples/sentiment.toml\nEach command explains itself: temper train "
      "--help");
  const std::vector<Command> commands{add_train_command(program),   add_eval_command(program),
                                      add_predict_command(program), add_export_command(program),
                                      add_inspect_command(program), add_plan_command(program),
                                      add_bench_command(program),   add_version_command(program)};
  // Every rank parses the same words; the one that mpirun numbers 0 says what is wrong with them.
  const char* rank = std::getenv("OMPI_COMM_WORLD_RANK");
  const bool speaks = rank == nullptr || std::string_view(rank) == "0";
  const int status = program.parse(argc, argv, speaks, static_cast<int>(ErrorKind::usage));
  if (status != ProgramLine::go_on) return status;

  ignore_file_size_signal();
  for (const Command& command : commands)
    if (command.line.was_named() && command.stops_cleanly) defer_stop_signals();
  Ranks ranks(&argc, &argv);
  try {
    CommandContext context{ranks.world(), seconds_since_process_start()};
    for (const Command& command : commands)
      if (command.line.was_named()) return command.run(context);
  } catch (const Error& error) {
    ranks.fail(error.what(), static_cast<int>(error.kind()));
  } catch (const std::bad_alloc&) {
    ranks.fail("out of memory; lower train.batch_size or data.max_length, or raise train.gradient_accumulation",
               static_cast<int>(ErrorKind::failure));
  } catch (const std::exception& error) {
    ranks.fail(std::string("unexpected error: ") + error.what(), static_cast<int>(ErrorKind::failure));
  }
  return kExitDone;
}

}  // namespace

int main(int argc, char** argv) { return run(argc, argv); }
